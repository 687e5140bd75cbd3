"""The completed components of a folder of runs, with the files of their artifacts: `done.json`.

This module does not import TFX, so that `vaiven plan` starts fast. A run takes results from the cache by the metadata
store. `done.json` lets a plan predict that, and lists the files that an artifact must have.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping

from vaiven.atomic import replacing
from vaiven.pipeline.paths import COMPLETED

# URI of an artifact, relative to the root → size in bytes of each file, by its path in the artifact.
ArtifactFiles = dict[str, dict[str, int]]


class CompletedComponents:
    """The file `done.json`: the artifacts and files of each component, by fingerprint."""

    def __init__(self, root: str) -> None:
        """
        Args:
            root: folder of the runs. A missing or damaged file counts as an empty one.
        """
        self._root = root
        self._path = os.path.join(root, COMPLETED)
        self._components: dict[str, dict[str, ArtifactFiles]] = {}
        # A missing or damaged file only makes a plan less precise.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            with open(self._path, encoding='utf-8') as file:
                components = json.load(file)
            self._components = {
                name: dict(entries) for name, entries in components.items() if isinstance(entries, dict)
            }

    def has(self, name: str, fingerprint: str) -> bool:
        """Whether a component was completed, and all of its files exist.

        Args:
            name: id of the component.
            fingerprint: from `stages.fingerprints`.
        """
        files = self._components.get(name, {}).get(fingerprint)
        return files is not None and not any(missing_file(self._root, uri, files[uri]) for uri in files)

    def files(self) -> ArtifactFiles:
        """The files of all artifacts."""
        artifacts = (files for entries in self._components.values() for files in entries.values())
        return {uri: sizes for files in artifacts for uri, sizes in files.items()}

    def add(self, name: str, fingerprint: str, uris: Iterable[str]) -> None:
        """Adds a completed component, with the files that its artifacts have now.

        Args:
            name: id of the component.
            fingerprint: from `stages.fingerprints`.
            uris: its artifacts, relative to the root.
        """
        entries = self._components.setdefault(name, {})
        # The newest entry comes last.
        entries.pop(fingerprint, None)
        entries[fingerprint] = {uri: file_sizes(os.path.join(self._root, uri)) for uri in uris}
        self._write()

    def remove(self, uris: Iterable[str]) -> None:
        """Removes the entries of the components that made any of these artifacts."""
        removed = set(uris)
        for name, entries in self._components.items():
            self._components[name] = {
                fingerprint: files for fingerprint, files in entries.items() if not removed & set(files)
            }
        self._write()

    def _write(self) -> None:
        with contextlib.suppress(OSError), replacing(self._path) as stream:
            json.dump(self._components, stream)


def file_sizes(folder: str) -> dict[str, int]:
    """The size in bytes of each file below a folder, by its relative path."""
    sizes = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            sizes[os.path.relpath(path, folder)] = os.path.getsize(path)
    return sizes


def missing_file(root: str, uri: str, files: Mapping[str, int] | None) -> str | None:
    """The first file of an artifact that does not exist or has another size.

    Args:
        root: folder of the runs.
        uri: of the artifact, relative to the root.
        files: size in bytes of each file; None if they were never recorded.

    Returns:
        The path of the file relative to the root, `uri` if the whole artifact is gone, or None.
    """
    folder = os.path.join(root, uri)
    if not os.path.exists(folder):
        return uri
    for name, size in (files or {}).items():
        path = os.path.join(folder, name)
        try:
            if os.path.getsize(path) == size:
                continue
        except OSError:
            pass
        return os.path.join(uri, name)
    return None
