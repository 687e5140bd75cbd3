"""What is on disk: the numbered version folders below a base path, and which of them should be served."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from vaiven.serving.common.limits import MAX_VERSION


@dataclass(frozen=True)
class VersionPolicy:
    """The versions to serve: the `latest` N, or `specific` ones, or all (both None)."""

    latest: int | None = 1
    specific: tuple[int, ...] | None = None

    def choose(self, found: Iterable[int], failed: Collection[int]) -> set[int]:
        """The versions to have in memory, of those `found` on disk.

        A version that `failed` to load does not count as one of the latest, so that the one before it is
        kept, or loaded where a server starts on a folder whose newest version is broken.
        """
        if self.specific is not None:
            return set(self.specific) & set(found)
        if self.latest is None:
            return set(found)
        return set(sorted(set(found) - set(failed), reverse=True)[: self.latest])


def is_saved_model(folder: Path) -> bool:
    """Whether it is one version, and not the folder of several."""
    return any((folder / name).is_file() for name in ('saved_model.pb', 'saved_model.pbtxt'))


def versions(base_path: Path) -> dict[int, Path]:
    """The children of `base_path` whose names are integers, by number; `00000123` is 123.

    Raises:
        OSError: the folder is not there or cannot be read.
    """
    found: dict[int, Path] = {}
    with os.scandir(base_path) as entries:
        for entry in entries:
            name = entry.name
            if name.isascii() and name.isdecimal() and os.path.isdir(entry):
                number = int(name) if len(name.lstrip('0')) < 20 else MAX_VERSION + 1
                if number <= MAX_VERSION:
                    found.setdefault(number, base_path / name)
    return found


def fingerprint(path: Path) -> frozenset[tuple[str, int, int]]:
    """Names, sizes and times of what a version folder holds: equal until somebody writes there."""
    facts = set()
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            try:
                state = os.stat(file)
            except OSError:
                continue
            facts.add((file, state.st_size, state.st_mtime_ns))
    return frozenset(facts)
