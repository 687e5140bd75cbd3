"""Deletes versions that are no longer needed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from vaiven.serving.common import version_folders
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout import journal, progress
from vaiven.serving.rollout.server_state import ModelState

HIDDEN = '.pruned-'


def unneeded(pushed: list[int], state: ModelState, keep: int, in_rollout: set[int]) -> list[int]:
    """Returns the versions that can be deleted, newest first: not among the newest `keep`, and not in use.

    In use are versions that the server has loaded or is loading, versions with a label, versions newer than the stable
    one, the target of a rollback, and the versions of an unfinished rollout.

    Args:
        pushed: versions on disk, newest first.
        state: what the server reports.
        keep: how many of the newest versions are kept in any case.
        in_rollout: the versions of an unfinished rollout.

    Raises:
        ServingError: no version is stable, so the versions in use are unknown.
    """
    if state.stable is None:
        raise ServingError(
            f'no version has the label {STABLE}, so the versions in use are unknown: promote a version first'
        )
    stable = state.stable
    used = in_rollout | {version.version for version in state.versions if version.state != 'END'}
    used |= set(state.labels.values())
    lower = [version for version in pushed if version < stable]
    used |= {version for version in pushed if version >= stable} | set(lower[:1])
    return [version for version in pushed[keep:] if version not in used]


def versions_in_rollout(base_path: Path, model: str) -> set[int]:
    """Returns both versions of an automatic rollout that has not ended: when it resumes, it may need either.

    Args:
        base_path: folder with the versions and the journal.
        model: name of the model.

    Raises:
        ServingError: the journal cannot be read, or is not a journal.
    """
    path = base_path / journal.FILE
    try:
        with path.open('rb') as lines:
            rollout = progress.unfinished(journal.entries(lines, model))
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise ServingError(f'cannot read {path}: {error.strerror}') from error
    except (KeyError, TypeError) as error:
        raise ServingError(
            f'{path} is not a journal of rollouts, so the versions in use are unknown: move the file away'
        ) from error
    return {rollout.version, rollout.stable} if rollout is not None else set()


def delete(base_path: Path, versions: list[int]) -> Iterator[int]:
    """Deletes versions, oldest first, and what a killed call has left; yields each version that is deleted.

    Args:
        base_path: folder with the versions.
        versions: those to delete.

    Raises:
        ServingError: a folder cannot be renamed or deleted.
    """
    try:
        paths = version_folders.versions(base_path)
        for leftover in base_path.glob(f'{HIDDEN}*'):
            shutil.rmtree(leftover)
        for version in sorted(versions):
            # Renamed first: deleting takes time, and a server must never see half of a version.
            hidden = base_path / f'{HIDDEN}{version}-{os.getpid()}'
            paths[version].rename(hidden)
            yield version
            shutil.rmtree(hidden)
    except OSError as error:
        raise ServingError(f'cannot delete {error.filename}: {error.strerror}') from error
