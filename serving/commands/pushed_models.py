"""Models that were pushed on this machine, and what they can be asked; TensorFlow is not needed to see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vaiven.serving.rollout import serving_folder as folders


@dataclass(frozen=True)
class Pushed:
    """A folder of versions, and one of them.

    Attributes:
        folder: it is called like the model.
        version: a number in it.
    """

    folder: Path
    version: int

    @property
    def path(self) -> Path:
        """The SavedModel."""
        from vaiven.serving.common import version_folders

        return version_folders.versions(self.folder)[self.version]

    def answers(self, signature: str, output: str) -> bool:
        """Whether it has a signature with an output of that name."""
        from google.protobuf.message import DecodeError

        from vaiven.serving.wire.messages import SavedModel

        try:
            model = SavedModel.FromString((self.path / 'saved_model.pb').read_bytes())
        except (OSError, DecodeError):
            return False
        return any(output in graph.signature_def[signature].outputs for graph in model.meta_graphs)


def pushed(model: str = '', version: int | None = None, root: Path | None = None) -> list[Pushed]:
    """What was pushed below `vaiven-runs/`, last first: of each folder the newest version, or the one that is named.

    Args:
        model: only models of this name; empty for all.
        version: only this version.
        root: where `vaiven-runs` is; by default here.

    Raises:
        ServingError: a folder cannot be read.
    """
    found = []
    for folder in (root or Path()).glob(f'{folders.RUNS}/*/serving/*'):
        numbers = [number for number in folders.versions(folder) if version in (None, number)]
        if numbers and model in ('', folder.name):
            one = Pushed(folder, numbers[0])
            found.append((one.path.stat().st_mtime, str(folder), one))
    return [one for *_, one in sorted(found, reverse=True, key=lambda each: each[:2])]
