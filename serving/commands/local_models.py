"""Finds the model of a command that reads its files, so that no server can stand in for it."""

from __future__ import annotations

import os
from pathlib import Path

from vaiven.serving.commands.connecting import NoModelError
from vaiven.serving.commands.options import Target
from vaiven.serving.commands.pushed_models import has_output, newest_with_output, no_model_text
from vaiven.serving.common import terminal, version_folders
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import serving_folder

SAVED_MODEL = 'saved-model:'


def find_local_model(target: Target, signature: str, output: str, command: str) -> Path:
    """The folder of a SavedModel on this machine: the one that the user named, or the newest pushed one.

    Args:
        target: what the options of the command say.
        signature: name of the signature that the model must have.
        output: name of an output that it must have.
        command: name of the command, for messages.

    Raises:
        NoModelError: there is no such pushed model.
        ServingError: the target is a server, or its folder holds no such model.
    """
    if target.explicit and not target.server.startswith(SAVED_MODEL):
        raise ServingError(
            f'{command} changes weights in this process, so it cannot use a server: leave out --server, --rest and '
            f'VAIVEN_SERVER, or give --server {SAVED_MODEL}FOLDER. Received: {target.server}'
        )
    if target.label is not None:
        raise ServingError(
            f'{command} uses no server, and only a server knows the label {target.label!r}: '
            'name the version with --version'
        )
    if target.explicit:
        folder = _version(Path(target.server.removeprefix(SAVED_MODEL)), target.version)
        if not has_output(folder, signature, output):
            raise ServingError(f'{folder} is not a language model: it has no signature {signature}')
        return folder
    model = newest_with_output(target.model, target.version, signature, output)
    if model is None:
        absent = no_model_text(target.model, target.version, signature)
        raise NoModelError(f'{absent}: run `vaiven run`, or name a model with --server {SAVED_MODEL}FOLDER')
    shown = os.path.relpath(model.folder)
    terminal.say(f'vaiven: using version {model.version} of {shown} in this process', err=True)
    return model.path


def _version(folder: Path, version: int | None) -> Path:
    """The SavedModel in a folder, which is one, or that of its versions."""
    if version_folders.is_saved_model(folder):
        if version is not None and (not folder.name.isdecimal() or int(folder.name) != version):
            raise ServingError(f'{folder} is a single version: leave out --version. Received: {version}')
        return folder
    numbers = serving_folder.versions(folder)
    if not numbers:
        raise ServingError(f'{folder} must be a SavedModel, or the folder of its versions')
    if version not in (None, *numbers):
        names = ', '.join(map(str, numbers))
        raise ServingError(f'{folder} has no version {version}; it has: {names}')
    return version_folders.versions(folder)[numbers[0] if version is None else version]
