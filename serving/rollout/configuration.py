"""The ModelServerConfig that a reload sends.

The ModelService has no call that returns the current configuration, and a reload replaces all of it. So the whole
configuration must be known here.
"""

from pathlib import Path
from typing import Any

from vaiven.serving.common import textproto
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import messages


def single_model_config(model: str, base_path: Path) -> Any:
    """Returns a ModelServerConfig with one model.

    Args:
        model: name of the model.
        base_path: folder with its versions, as the server names it.
    """
    config = messages.ModelServerConfig()
    config.model_config_list.config.add(name=model, base_path=str(base_path), model_platform='tensorflow')
    return config


def read(path: Path) -> Any:
    """Reads the ModelServerConfig in a text-format file.

    Raises:
        ServingError: the file cannot be read, or is not a ModelServerConfig.
    """
    try:
        return textproto.read(path, messages.ModelServerConfig(), messages.pool)
    except textproto.TextProtoError as error:
        raise ServingError(str(error)) from error


def model_entry(config: Any, model: str) -> Any:
    """Returns the ModelConfig of `model`.

    Raises:
        ServingError: the configuration does not have the model.
    """
    for entry in config.model_config_list.config:
        if entry.name == model:
            return entry
    names = ', '.join(entry.name for entry in config.model_config_list.config) or 'none'
    raise ServingError(f'the configuration has no model {model!r}; it has: {names}')


def with_versions(config: Any, model: str, versions: set[int], labels: dict[str, int]) -> Any:
    """Returns a copy of the configuration with other versions and labels for one model.

    Args:
        config: a ModelServerConfig.
        model: name of the model.
        versions: the versions that the server must have loaded, and no others.
        labels: the version of each label.
    """
    changed = messages.ModelServerConfig()
    changed.CopyFrom(config)
    entry = model_entry(changed, model)
    entry.model_version_policy.specific.versions[:] = sorted(versions)
    entry.version_labels.clear()
    for label, version in labels.items():
        entry.version_labels[label] = version
    return changed
