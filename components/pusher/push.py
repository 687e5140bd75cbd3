"""Copies a SavedModel into a serving folder so that a version appears complete or not at all.

TensorFlow Serving takes every folder whose name is a number for a version. The copy is therefore written under a hidden
name in the same folder, synced to disk and renamed; POSIX `rename` is atomic.
"""

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from vaiven.errors import UserError

FINGERPRINT_FILE = Path('assets.extra', 'fingerprint.txt')
_HIDDEN = '.incoming-'
_LOCK = '.push-lock'


class PushError(UserError):
    """The model could not be copied; the serving folder is unchanged."""

    exit_status = 1


@dataclasses.dataclass(frozen=True)
class PushedVersion:
    """A version in the serving folder.

    Attributes:
        version: its number.
        destination: its folder.
        new: whether it was added; False for an earlier version with the same content.
    """

    version: int
    destination: str
    new: bool


def push(copy: Callable[[Path], object], serving_dir: Path) -> PushedVersion:
    """Adds a version to a serving folder unless a version with the same content exists.

    Args:
        copy: copies the SavedModel into the empty folder that it is given.
        serving_dir: base path of one model, `…/<version>/saved_model.pb`; created if it does not exist.

    Returns:
        The new version, or the earlier one with the same content.

    Raises:
        PushError: if the file system refuses: disk full, read-only, no permission.
    """
    try:
        serving_dir.mkdir(parents=True, exist_ok=True)
        with _push_lock(serving_dir) as locked:
            if locked:
                # No other process is pushing, so a killed process left these folders.
                for leftover in serving_dir.glob(f'{_HIDDEN}*'):
                    shutil.rmtree(leftover, ignore_errors=True)
            return _push(copy, serving_dir)
    except OSError as error:
        reason = (
            'the disk is full' if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or error
        )
        raise PushError(
            f'the model was not pushed to {serving_dir}: {reason}; its versions are unchanged. '
            'Free disk space or check the permissions, then run again'
        ) from error


def folder_copier(source: Path) -> Callable[[Path], None]:
    """Returns a function that copies a local folder and stops at the first error, unlike `shutil.copytree`.

    Args:
        source: the folder to copy.
    """

    def copy(folder: Path) -> None:
        for path in sorted(source.rglob('*')):
            target = folder / path.relative_to(source)
            if path.is_dir():
                target.mkdir()
            else:
                shutil.copyfile(path, target)

    return copy


def versions(serving_dir: Path) -> dict[int, Path]:
    """The versions that a server sees: number → folder."""
    if not serving_dir.is_dir():
        return {}
    return {int(path.name): path for path in serving_dir.iterdir() if path.is_dir() and path.name.isdecimal()}


def fingerprint(folder: Path) -> str:
    """SHA-256 of the names and contents of all files, without the fingerprint file itself."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob('*') if path.is_file()):
        name = path.relative_to(folder)
        if name != FINGERPRINT_FILE:
            with path.open('rb') as file:
                content = hashlib.file_digest(file, 'sha256').hexdigest()
            digest.update(f'{content} {name.as_posix()}\n'.encode())
    return digest.hexdigest()


def _push(copy: Callable[[Path], object], serving_dir: Path) -> PushedVersion:
    hidden = serving_dir / f'{_HIDDEN}{uuid.uuid4().hex}'
    try:
        hidden.mkdir()
        copy(hidden)
        content = fingerprint(hidden)
        for version, folder in sorted(versions(serving_dir).items(), reverse=True):
            if _stored_fingerprint(folder) == content:
                return PushedVersion(version, str(folder), new=False)
        file = hidden / FINGERPRINT_FILE
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'{content}\n')
        _sync_tree(hidden)
        version, folder = _rename(hidden, serving_dir)
        return PushedVersion(version, str(folder), new=True)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _stored_fingerprint(version: Path) -> str | None:
    try:
        return (version / FINGERPRINT_FILE).read_text().strip()
    except OSError:
        return None


def _rename(hidden: Path, serving_dir: Path) -> tuple[int, Path]:
    while True:
        version = max(versions(serving_dir), default=0) + 1
        try:
            hidden.rename(serving_dir / str(version))
        except OSError as error:
            # Without a lock, another machine may have taken the number since it was chosen.
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                continue
            raise
        _sync(serving_dir)
        return version, serving_dir / str(version)


@contextlib.contextmanager
def _push_lock(serving_dir: Path) -> Iterator[bool]:
    """Holds the lock of a serving folder; yields False on file systems that do not support locks."""
    handle = os.open(serving_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob('*'):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
