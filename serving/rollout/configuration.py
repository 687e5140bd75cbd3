"""The configuration that a reload sends: the server tells nobody its own, so all of it must come from us."""

from pathlib import Path
from typing import Any

from vaiven.serving.common import textproto
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import messages


def of_one_model(model: str, base_path: Path) -> Any:
    """A ModelServerConfig that serves only `model`."""
    config = messages.ModelServerConfig()
    config.model_config_list.config.add(name=model, base_path=str(base_path), model_platform='tensorflow')
    return config


def read(path: Path) -> Any:
    """The ModelServerConfig in a file. Raises ServingError where it cannot be read or is not one."""
    try:
        return textproto.read(path, messages.ModelServerConfig(), messages.pool)
    except textproto.TextProtoError as error:
        raise ServingError(str(error)) from error


def entry(config: Any, model: str) -> Any:
    """The part about `model`. Raises ServingError where there is none."""
    for each in config.model_config_list.config:
        if each.name == model:
            return each
    names = ', '.join(each.name for each in config.model_config_list.config) or 'none'
    raise ServingError(f'the configuration has no model {model!r}; it has: {names}')


def with_versions(config: Any, model: str, versions: set[int], labels: dict[str, int]) -> Any:
    """A copy in which `model` has exactly these versions loaded, and these labels."""
    changed = messages.ModelServerConfig()
    changed.CopyFrom(config)
    part = entry(changed, model)
    part.model_version_policy.specific.versions[:] = sorted(versions)
    part.version_labels.clear()
    for label, version in labels.items():
        part.version_labels[label] = version
    return changed
