"""Deletes versions that nobody needs any more."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from vaiven.serving.common import version_folders
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout import journal, progress
from vaiven.serving.rollout.server_state import Status

HIDDEN = '.pruned-'


def superfluous(pushed: list[int], now: Status, keep: int, rolled_out: set[int]) -> list[int]:
    """The versions that may go, newest first: below the newest `keep`, and in no use.

    In use is what the server has in memory or is loading, what has a label, what is newer than `stable`, what a
    rollback would take, and what a rollout is about.

    Args:
        pushed: versions on disk, newest first.
        now: what the server says.
        keep: how many of the newest stay in any case.
        rolled_out: the versions of a rollout that has not ended.

    Raises:
        ServingError: no version is stable: what is in use cannot be told.
    """
    if now.stable is None:
        raise ServingError(
            f'no version has the label {STABLE}, so none can be said to be out of use: promote one first'
        )
    top = now.stable
    used = (
        rolled_out | {each.version for each in now.versions if each.state != 'END'} | set(now.labels.values())
    )
    lower = [number for number in pushed if number < top]
    used |= {number for number in pushed if number >= top} | set(lower[:1])
    return [number for number in pushed[keep:] if number not in used]


def under_way(base_path: Path, model: str) -> set[int]:
    """The versions of an automatic rollout that has not ended: one that goes on may need both again.

    Raises:
        ServingError: its record beside the versions cannot be read, or is none.
    """
    path = base_path / journal.FILE
    try:
        with path.open('rb') as lines:
            found = progress.unfinished(journal.entries(lines, model))
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise ServingError(f'cannot read {path}: {error.strerror}') from error
    except (KeyError, TypeError) as error:
        raise ServingError(
            f'{path} is no record of rollouts, so none of their versions is safe: move it away'
        ) from error
    return {found.version, found.stable} if found is not None else set()


def delete(base_path: Path, versions: list[int]) -> Iterator[int]:
    """Deletes whole versions, oldest first, and what an earlier call that was killed left; yields what is gone.

    A version is renamed first, so that no server ever sees half of one.

    Raises:
        ServingError: the file system refuses.
    """
    try:
        paths = version_folders.versions(base_path)
        for leftover in base_path.glob(f'{HIDDEN}*'):
            shutil.rmtree(leftover)
        for version in sorted(versions):
            hidden = base_path / f'{HIDDEN}{version}-{os.getpid()}'
            paths[version].rename(hidden)
            yield version
            shutil.rmtree(hidden)
    except OSError as error:
        raise ServingError(f'cannot delete {error.filename}: {error.strerror}') from error
