"""The pushed models on this machine and their signatures, read without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vaiven.serving.rollout import serving_folder as folders


@dataclass(frozen=True)
class PushedModel:
    """A version of a pushed model.

    Attributes:
        folder: base path of the model; its name is the name of the model.
        version: number of the version.
    """

    folder: Path
    version: int

    @property
    def path(self) -> Path:
        """Folder of the SavedModel."""
        from vaiven.serving.common import version_folders

        return version_folders.versions(self.folder)[self.version]

    def has_output(self, signature: str, output: str) -> bool:
        """Whether the model has this signature with this output; False if its file cannot be read."""
        from google.protobuf.message import DecodeError

        from vaiven.serving.wire.messages import SavedModel

        try:
            model = SavedModel.FromString((self.path / 'saved_model.pb').read_bytes())
        except (OSError, DecodeError):
            return False
        return any(output in graph.signature_def[signature].outputs for graph in model.meta_graphs)


def pushed_models(model: str = '', version: int | None = None, root: Path | None = None) -> list[PushedModel]:
    """The models that were pushed below `vaiven-runs/`, the last pushed first.

    Args:
        model: name of the model; empty for all models.
        version: number of the version; None for the newest version of each model.
        root: folder with `vaiven-runs`; by default the working directory.

    Raises:
        ServingError: a folder cannot be read.
    """
    models = []
    for folder in (root or Path()).glob(f'{folders.RUNS}/*/serving/*'):
        numbers = [number for number in folders.versions(folder) if version in (None, number)]
        if numbers and model in ('', folder.name):
            newest = PushedModel(folder, numbers[0])
            models.append((newest.path.stat().st_mtime, str(folder), newest))
    return [pushed for *_, pushed in sorted(models, reverse=True, key=lambda item: item[:2])]
