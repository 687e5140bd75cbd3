"""Tells by its content whether the code of a component has changed.

TFX finds an earlier result by a component's inputs and parameters, and knows its code only by name. So each
component gets one more parameter, a digest of the sources it runs; it is recorded with the execution, too.
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
    """SHA-256 of the libraries' versions and of the Python files in `sources`, paths below `package`."""
    total = hashlib.sha256()
    for library in _LIBRARIES:
        total.update(f'{library}=={importlib.metadata.version(library)}\n'.encode())
    for source in sources:
        path = package / source
        for file in sorted(path.rglob('*.py')) if path.is_dir() else [path]:
            total.update(f'{file.relative_to(package)}\0'.encode() + file.read_bytes() + b'\0')
    return total.hexdigest()
