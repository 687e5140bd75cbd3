"""Makes the folder of a run ready: nothing in it depends on where it lies, and what is gone is not used."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator

from apache_beam.io.localfilesystem import LocalFileSystem

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.errors import UserError
from vaiven.pipeline import store
from vaiven.pipeline.beam_options import in_process
from vaiven.pipeline.completed import DoneBefore
from vaiven.pipeline.config import PlacementConfig
from vaiven.pipeline.input_links import linked
from vaiven.pipeline.paths import RunPaths
from vaiven.pipeline.root_cause import root_cause
from vaiven.serving.common.plain_path import is_pattern


@contextlib.contextmanager
def workspace(
    placement: PlacementConfig, files: DataFiles, paths: RunPaths
) -> Iterator[tuple[DataFiles, RunPaths]]:
    """The data and the folders as the components get them.

    Workers in this process share its working directory, which becomes the root, and all paths are relative to it: a
    bracket in the root is never taken for a pattern, and a root that was moved keeps its cache.

    Raises:
        UserError: workers elsewhere would take the root for a pattern.
    """
    if in_process(placement):
        with (
            contextlib.chdir(paths.root),
            _relative_to_beam(paths.root),
            linked(files, paths.relative()) as links,
        ):
            yield links, paths.relative()
        return
    if is_pattern(paths.root):
        raise UserError(
            'with workers outside of this process the path of --root has no "*", "?" or "[": TFX takes it for a '
            f'pattern. Received: {paths.root!r}'
        )
    yield files, paths


@contextlib.contextmanager
def _relative_to_beam(root: str) -> Iterator[None]:
    """Has Beam leave paths relative where the root would be a pattern.

    Beam's writers make the folder of the output absolute, and look for what they wrote there by a pattern.
    """
    if not is_pattern(root):
        yield
        return
    split = LocalFileSystem.split
    LocalFileSystem.split = lambda self, path: os.path.split(path)  # type: ignore[method-assign]
    try:
        yield
    finally:
        LocalFileSystem.split = split  # type: ignore[method-assign]


def bring_in_line(root: str, prefix: str, done_before: DoneBefore) -> list[store.Lost]:
    """Brings the metadata store in line with the files on the disk.

    Args:
        root: folder of the runs, whose lock the caller holds.
        prefix: what addresses of artifacts start with, see `store.relocate`.
        done_before: knows which files there must be.

    Returns:
        The artifacts whose files are gone.

    Raises:
        StoreError: the store is damaged, or cannot be written.
    """
    path = RunPaths(root, '').metadata
    if not os.path.exists(path):
        return []
    try:
        with store.opened(root) as connection:
            store.relocate(connection, prefix)
            return store.set_aside(connection, root, done_before.files())
    except sqlite3.OperationalError as error:
        if 'no such table' in str(error):  # a run was killed while it made the store
            return []
        raise store.StoreError(f'the metadata store {path} cannot be used: {root_cause(error)[1]}') from error
    except sqlite3.Error as error:
        raise store.StoreError(
            f'the metadata store {path} is damaged ({error}); restore it from a copy, or give another --root'
        ) from error
