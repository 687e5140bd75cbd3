"""Deletes versions that nobody needs any more."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from vaiven.serving.errors import ServingError
from vaiven.serving.rollout import folder
from vaiven.serving.rollout.state import Status

HIDDEN = '.pruned-'


def superfluous(pushed: list[int], now: Status, keep: int) -> list[int]:
    """The versions that may go, newest first: below the newest `keep`, and in no use.

    In use is what the server has in memory or is loading, what has a label, what is newer than `stable` (or than
    the newest in memory, where nothing is stable), and what a rollback would take.

    Args:
        pushed: versions on disk, newest first.
        now: what the server says.
        keep: how many of the newest stay in any case.

    Raises:
        ServingError: the server has none of the model in memory: what is in use cannot be told.
    """
    if not now.available:
        raise ServingError('the server has no version in memory, so nothing can be said to be out of use')
    top = now.stable if now.stable is not None else now.available[0]
    used = {each.version for each in now.versions if each.state != 'END'} | set(now.labels.values())
    lower = [number for number in pushed if number < top]
    used |= {number for number in pushed if number >= top} | set(lower[:1])
    return [number for number in pushed[keep:] if number not in used]


def delete(base_path: Path, versions: list[int]) -> Iterator[int]:
    """Deletes whole versions, oldest first, and what an earlier call that was killed left; yields what is gone.

    A version is renamed first, so that no server ever sees half of one.

    Raises:
        ServingError: the file system refuses.
    """
    names = {int(path.name): path for path in base_path.iterdir() if folder.is_version(path)}
    try:
        for leftover in base_path.glob(f'{HIDDEN}*'):
            shutil.rmtree(leftover)
        for version in sorted(versions):
            hidden = base_path / f'{HIDDEN}{version}-{os.getpid()}'
            names[version].rename(hidden)
            yield version
            shutil.rmtree(hidden)
    except OSError as error:
        raise ServingError(f'cannot delete {error.filename}: {error.strerror}') from error
