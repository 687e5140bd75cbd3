"""Copies a SavedModel to where a server finds it: a version appears whole or not at all.

A server takes every folder whose name is a number for a version. The copy is therefore made under a hidden name
beside them, forced to the disk, and renamed, which the file system does in one step.
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
    """The model could not be copied; the serving folder is as it was."""

    exit_status = 1


@dataclasses.dataclass(frozen=True)
class Pushed:
    """The version's number, its folder, and whether it is new or was there already with the same content."""

    version: int
    destination: str
    new: bool


def push(copy: Callable[[Path], object], serving_dir: Path) -> Pushed:
    """Adds a version to a serving folder, unless one with the same content is there.

    Args:
        copy: puts the SavedModel's content into the empty folder that it is given.
        serving_dir: folder of one model, `…/<version>/saved_model.pb`; made if it is not there.

    Raises:
        PushError: where the file system refuses: full, read-only, no permission.
    """
    try:
        serving_dir.mkdir(parents=True, exist_ok=True)
        with _alone(serving_dir) as alone:
            if alone:
                # Nobody else is pushing, so these are what a killed process left.
                for leftover in serving_dir.glob(f'{_HIDDEN}*'):
                    shutil.rmtree(leftover, ignore_errors=True)
            return _push(copy, serving_dir)
    except OSError as error:
        reason = (
            'the disk is full' if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or error
        )
        raise PushError(
            f'the model was not pushed to {serving_dir}: {reason}; the versions there are as they were. '
            'Make room, or check the permissions, and run again'
        ) from error


def copier(source: Path) -> Callable[[Path], None]:
    """Copies a folder of this machine, and stops at the first error: `shutil.copytree` would go on to the end."""

    def copy(folder: Path) -> None:
        for path in sorted(source.rglob('*')):
            target = folder / path.relative_to(source)
            if path.is_dir():
                target.mkdir()
            else:
                shutil.copyfile(path, target)

    return copy


def versions(serving_dir: Path) -> dict[int, Path]:
    """The versions that a server would see."""
    if not serving_dir.is_dir():
        return {}
    return {int(path.name): path for path in serving_dir.iterdir() if path.is_dir() and path.name.isdecimal()}


def fingerprint(folder: Path) -> str:
    """SHA-256 of the names and contents of all files but the fingerprint's own."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob('*') if path.is_file()):
        name = path.relative_to(folder)
        if name != FINGERPRINT_FILE:
            with path.open('rb') as file:
                content = hashlib.file_digest(file, 'sha256').hexdigest()
            digest.update(f'{content} {name.as_posix()}\n'.encode())
    return digest.hexdigest()


def _push(copy: Callable[[Path], object], serving_dir: Path) -> Pushed:
    hidden = serving_dir / f'{_HIDDEN}{uuid.uuid4().hex}'
    try:
        hidden.mkdir()
        copy(hidden)
        content = fingerprint(hidden)
        for version, folder in sorted(versions(serving_dir).items(), reverse=True):
            if _recorded(folder) == content:
                return Pushed(version, str(folder), new=False)
        mark = hidden / FINGERPRINT_FILE
        mark.parent.mkdir(exist_ok=True)
        mark.write_text(f'{content}\n')
        _to_disk(hidden)
        version, folder = _rename(hidden, serving_dir)
        return Pushed(version, str(folder), new=True)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _recorded(version: Path) -> str | None:
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
            # Where locks do not reach, another machine may have taken the number in this moment.
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                continue
            raise
        _sync(serving_dir)
        return version, serving_dir / str(version)


@contextlib.contextmanager
def _alone(serving_dir: Path) -> Iterator[bool]:
    """Waits until no other process pushes here; yields False on file systems without locks."""
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


def _to_disk(folder: Path) -> None:
    for path in folder.rglob('*'):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
