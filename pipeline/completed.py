"""Which components were completed in a folder of runs, and which files they made.

Light: a plan reads it without TFX. The run decides by the metadata; this file tells a plan what it will decide, and
the run which files an artifact must have.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping

from vaiven.pipeline.paths import DONE

# By address of an artifact, relative to the root: the bytes of each file by its path in the artifact.
Files = dict[str, dict[str, int]]


class DoneBefore:
    """The record `done.json`: for each component and fingerprint the artifacts with their files."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._path = os.path.join(root, DONE)
        self._known: dict[str, dict[str, Files]] = {}
        # A file that is not there or was damaged only makes the plan less sure.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            with open(self._path, encoding='utf-8') as file:
                known = json.load(file)
            self._known = {name: dict(marks) for name, marks in known.items() if isinstance(marks, dict)}

    def has(self, name: str, fingerprint: str) -> bool:
        """Whether a component was completed with this fingerprint, and all of its files are there."""
        files = self._known.get(name, {}).get(fingerprint)
        return files is not None and not any(missing(self._root, uri, files[uri]) for uri in files)

    def files(self) -> Files:
        """All artifacts with their files."""
        marks = (files for marks in self._known.values() for files in marks.values())
        return {uri: names for files in marks for uri, names in files.items()}

    def add(self, name: str, fingerprint: str, uris: Iterable[str]) -> None:
        """Records a completed component with the files that its artifacts have now."""
        marks = self._known.setdefault(name, {})
        # The newest last.
        marks.pop(fingerprint, None)
        marks[fingerprint] = {uri: files_of(os.path.join(self._root, uri)) for uri in uris}
        self._write()

    def forget(self, uris: Iterable[str]) -> None:
        """Drops the records of components that made one of these artifacts."""
        gone = set(uris)
        for name, marks in self._known.items():
            self._known[name] = {mark: files for mark, files in marks.items() if not gone & set(files)}
        self._write()

    def _write(self) -> None:
        part = f'{self._path}.part'
        with contextlib.suppress(OSError):
            with open(part, 'w', encoding='utf-8') as file:
                json.dump(self._known, file)
            os.replace(part, self._path)


def files_of(folder: str) -> dict[str, int]:
    """The bytes of each file below a folder, by its relative path."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            found[os.path.relpath(path, folder)] = os.path.getsize(path)
    return found


def missing(root: str, uri: str, files: Mapping[str, int] | None) -> str | None:
    """What an artifact lacks: its folder, or a file (the first one), gone or of another size; None for nothing.

    Args:
        root: that `uri` is relative to.
        uri: address of the artifact.
        files: its files; None where they were never recorded.
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
