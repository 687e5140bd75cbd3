"""A digest of the code of a component, which makes the cache depend on the code.

The cache key of TFX has the inputs and parameters of a component, but of its code only the name. So each component gets
one more parameter with the digest of the sources that it runs. It is recorded with the execution.
"""

import functools
import hashlib
import importlib.metadata
import pathlib

PARAMETER = 'code_digest'

_LIBRARIES = ('tfx', 'tensorflow', 'tensorflow-text', 'keras')
_PACKAGE = pathlib.Path(__file__).resolve().parent.parent


@functools.cache
def digest(sources: tuple[str, ...], package: pathlib.Path = _PACKAGE) -> str:
    """SHA-256 of the versions of the libraries and of Python files.

    Args:
        sources: files and folders, as paths below `package`.
        package: folder of the package.
    """
    total = hashlib.sha256()
    for library in _LIBRARIES:
        total.update(f'{library}=={importlib.metadata.version(library)}\n'.encode())
    for source in sources:
        path = package / source
        for file in sorted(path.rglob('*.py')) if path.is_dir() else [path]:
            total.update(f'{file.relative_to(package)}\0'.encode() + file.read_bytes() + b'\0')
    return total.hexdigest()
