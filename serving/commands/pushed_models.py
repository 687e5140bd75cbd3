"""The pushed models on this machine and their signatures, read without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from vaiven.serving.commands.options import MODEL, VERSION, Utf8, option_group
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path
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
        return has_output(self.path, signature, output)


def newest_with_output(model: str, version: int | None, signature: str, output: str) -> PushedModel | None:
    """The last pushed model that has this signature with this output; None if there is none.

    Args:
        model, version: as for `pushed_models`.
        signature: name of the signature.
        output: name of the output.
    """
    models = pushed_models(model, version)
    return next((pushed for pushed in models if pushed.has_output(signature, output)), None)


def no_model_text(model: str, version: int | None, signature: str) -> str:
    """What `newest_with_output` has not found, for a message."""
    description = f'model {model!r}' if model else 'model'
    description += '' if version is None else f' of version {version}'
    return f'there is no pushed {description} with the signature {signature} below {folders.RUNS}'


def has_output(folder: Path, signature: str, output: str) -> bool:
    """Whether a SavedModel has this signature with this output; False if its file cannot be read."""
    from google.protobuf.message import DecodeError

    from vaiven.serving.wire.messages import SavedModel

    try:
        model = SavedModel.FromString((folder / 'saved_model.pb').read_bytes())
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


@dataclass(frozen=True)
class PushedChoice:
    """The options that choose a version of a pushed model.

    Attributes:
        name: of the model; None for the model of the run.
        root: folder of the run; None for the newest below `vaiven-runs`.
        version: its number; None for the newest.
    """

    name: str | None
    root: str | None
    version: int | None

    def find(self) -> PushedModel:
        """Returns the version.

        Raises:
            ServingError: there is no such model or version, or several models and no name.
        """
        folder = self._folder()
        pushed = folders.versions(folder)
        if self.version is not None and self.version not in pushed:
            raise ServingError(
                f'{folder} has no version {self.version}; it has: {", ".join(map(str, pushed))}'
            )
        return PushedModel(folder, pushed[0] if self.version is None else self.version)

    def _folder(self) -> Path:
        if self.root is None:
            newest = folders.newest() if self.name is None else folders.newest(self.name)
            if newest is None:
                of_model = '' if self.name is None else f' of {self.name!r}'
                raise ServingError(
                    f'there is no pushed model{of_model} below {folders.RUNS}: '
                    'run `vaiven run`, or name the folder of a run with --root'
                )
            return newest
        serving = local_path(self.root, '--root').absolute() / 'serving'
        models = (
            sorted(path for path in serving.glob('*') if folders.versions(path)) if serving.is_dir() else []
        )
        chosen = [path for path in models if self.name in (None, path.name)]
        if len(chosen) > 1:
            chosen = [path for path in models if path.name == MODEL]
        if not chosen:
            names = ', '.join(path.name for path in models) or 'none'
            raise ServingError(
                f'{serving} has no such model with a version; it has: {names}. Choose one with --name'
            )
        return chosen[0]


# For commands about a pushed version on this machine: `pushed: PushedChoice`.
pushed_options = option_group(
    'pushed',
    PushedChoice,
    click.option(
        '--name',
        type=Utf8(),
        help=f'Name of the model.  [default: the model of the run, or {MODEL} if it has several]',
    ),
    click.option(
        '--root',
        type=Utf8(),
        metavar='DIR',
        help='Folder of the run.  [default: the newest below vaiven-runs]',
    ),
    click.option('--version', type=VERSION, metavar='N', help='Version to use.  [default: the newest]'),
)
