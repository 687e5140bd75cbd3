"""Prepares the folder of a run: relative paths in it, and a metadata store that matches its files."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator

from apache_beam.io.localfilesystem import LocalFileSystem

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.errors import UserError
from vaiven.pipeline import store
from vaiven.pipeline.beam_options import in_process
from vaiven.pipeline.completed import CompletedComponents
from vaiven.pipeline.config import PlacementConfig
from vaiven.pipeline.input_links import input_links
from vaiven.pipeline.paths import RunPaths
from vaiven.pipeline.root_cause import root_cause
from vaiven.serving.common.plain_path import is_pattern


@contextlib.contextmanager
def workspace(
    placement: PlacementConfig, files: DataFiles, paths: RunPaths
) -> Iterator[tuple[DataFiles, RunPaths]]:
    """The data and the folders as the components see them.

    If all workers run in this process, the root becomes the working directory and all paths are relative to it. So a
    bracket in its path is not taken for a glob pattern, and a root that was moved keeps its cache.

    Args:
        placement: where the data steps run.
        files: the data, with absolute paths.
        paths: the folders of the run, with absolute paths.

    Yields:
        The files and the folders.

    Raises:
        UserError: workers in other processes would take the root for a pattern.
    """
    if in_process(placement):
        with (
            contextlib.chdir(paths.root),
            _relative_to_beam(paths.root),
            input_links(files, paths.relative()) as links,
        ):
            yield links, paths.relative()
        return
    if is_pattern(paths.root):
        raise UserError(
            'with workers in other processes, the path of --root must not contain "*", "?" or "[": TFX takes it for a '
            f'pattern. Received: {paths.root!r}'
        )
    yield files, paths


@contextlib.contextmanager
def _relative_to_beam(root: str) -> Iterator[None]:
    """Makes Beam keep paths relative if the path of the root is a pattern.

    Beam's writers make the output folder absolute, and find the files that they wrote there by a pattern.
    """
    if not is_pattern(root):
        yield
        return
    split = LocalFileSystem.split
    LocalFileSystem.split = lambda self, path: os.path.split(path)  # type: ignore[method-assign]  # (a temporary patch of Beam)
    try:
        yield
    finally:
        LocalFileSystem.split = split  # type: ignore[method-assign]  # (a temporary patch of Beam)


def synchronize_store(root: str, prefix: str, completed: CompletedComponents) -> list[store.MissingArtifact]:
    """Synchronizes the metadata store with the files on the disk.

    Args:
        root: folder of the runs, whose lock the caller holds.
        prefix: start of the URIs below the root: empty, or the absolute path of the root with a slash.
        completed: the files that each artifact must have.

    Returns:
        The artifacts whose files are gone.

    Raises:
        StoreError: the store is damaged, or cannot be written.
    """
    path = RunPaths(root, '').metadata
    if not os.path.exists(path):
        return []
    try:
        with store.open_store(root) as connection:
            store.rebase_artifacts(connection, prefix)
            return store.mark_missing_artifacts(connection, root, completed.files())
    except sqlite3.OperationalError as error:
        if 'no such table' in str(error):  # a run was killed while it created the store
            return []
        raise store.StoreError(f'the metadata store {path} cannot be used: {root_cause(error)[1]}') from error
    except sqlite3.Error as error:
        raise store.StoreError(
            f'the metadata store {path} is damaged ({error}); restore it from a copy, or choose another --root'
        ) from error
