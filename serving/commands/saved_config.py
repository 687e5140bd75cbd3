"""The model configuration that rollouts save in a serving folder, which `vaiven serve` restores."""

import os
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration, serving_folder

FILE = 'models.config'  # in the serving folder, beside the versions


def load(name: str, base_path: Path, keep: int, path: Path) -> tuple[Any, str]:
    """The model configuration to serve: the one that rollouts saved, or else the newest versions.

    Args:
        name: name of the model.
        base_path: folder of its versions.
        keep: number of versions to keep loaded without a saved configuration.
        path: file of the saved configuration, which may not exist.

    Returns:
        The ModelServerConfig, and a line for the user that says what is served.

    Raises:
        ServingError: the file is not a configuration of this model, or none of its versions exists.
    """
    if not os.path.lexists(path):
        config = configuration.single_model_config(name, base_path)
        configuration.model_entry(config, name).model_version_policy.latest.num_versions = keep
        return config, f'{name}: the newest {keep} versions of {base_path}'
    hint = f'without {path} the newest {keep} versions are served'
    try:
        config = configuration.read(path)
        entry = configuration.model_entry(config, name)
    except ServingError as error:
        raise ServingError(f'{error}; {hint}') from error
    entry.base_path = str(base_path)  # the folder may have been moved
    versions = entry.model_version_policy.specific.versions
    if versions and not set(versions) & set(serving_folder.versions(base_path)):
        raise ServingError(f'{base_path} has none of the versions that {path} names; {hint}')
    labels = ', '.join(f'{label} {number}' for label, number in sorted(entry.version_labels.items()))
    return config, f'{name}: {base_path} as rollouts left it ({labels or "no labels"}); {hint}'


def descriptor(config: Any) -> int:
    """File descriptor of a ModelServerConfig in memory, which leaves no file behind."""
    number = os.memfd_create('vaiven-model-config')
    os.write(number, text_format.MessageToString(config, as_utf8=True).encode())
    return number
