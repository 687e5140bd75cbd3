"""The configured models, from the flags or a ModelServerConfig. Checks and error texts are upstream's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaiven.serving.common import textproto
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path
from vaiven.serving.common.status import StatusError, invalid_argument
from vaiven.serving.common.version_folders import VersionPolicy
from vaiven.serving.server import request_log
from vaiven.serving.server.flags import Options
from vaiven.serving.wire import messages

LATEST = VersionPolicy()


@dataclass(frozen=True)
class ModelConfig:
    """A model to serve.

    Attributes:
        name: name of the model.
        base_path: folder of its numbered versions.
        policy: which versions are loaded.
        labels: version numbers by label.
        logging: its LoggingConfig; None where it has none.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = LATEST
    labels: Mapping[str, int] = field(default_factory=dict)
    logging: Any = None


def read(path: Path) -> list[ModelConfig]:
    """The models of a configuration file.

    Raises:
        StatusError: the file cannot be read, or a model in it is not allowed.
    """
    try:
        return models(textproto.read(path, messages.ModelServerConfig(), messages.pool))
    except textproto.TextProtoError as error:
        raise invalid_argument(str(error)) from error


def models(config: Any) -> list[ModelConfig]:
    """The models in a ModelServerConfig. Raises StatusError if one is not allowed."""
    if config.WhichOneof('config') != 'model_config_list':
        raise invalid_argument(
            'ServerModelConfig type not supported by HandleReloadConfigRequest. '
            'Only ModelConfigList is currently supported'
        )
    by_name: dict[str, ModelConfig] = {}
    for entry in config.model_config_list.config:
        if entry.name in by_name:
            raise invalid_argument('Illegal to list model ' + entry.name + ' multiple times in config list')
        by_name[entry.name] = _model(entry)
    return list(by_name.values())


def from_flags(options: Options) -> list[ModelConfig]:
    """The models of `--model_config_file`, or else the one of `--model_name`. Raises ServingError."""
    try:
        if options.model_config_file:
            return read(Path(options.model_config_file))
        base_path = local_path(options.model_base_path, f'model {options.model_name}: base_path')
        return [ModelConfig(options.model_name, base_path.absolute())]
    except StatusError as error:
        raise ServingError(error.message) from error


def _model(entry: Any) -> ModelConfig:
    if not entry.name:
        raise invalid_argument('Model name must not be empty')
    # `model_type` is the deprecated enum: 0 is unspecified, 1 is TensorFlow.
    platform = entry.model_platform or {0: '', 1: 'tensorflow'}.get(entry.model_type, 'other')
    if not platform:
        raise invalid_argument(
            'Illegal setting neither ModelServerConfig::model_type nor ModelServerConfig::model_platform.'
        )
    if platform != 'tensorflow':
        raise invalid_argument(f'Model {entry.name} has unsupported platform {platform}; known: tensorflow')
    try:
        # `gs://…` would otherwise be a folder of this name, for which the server waits forever.
        base_path = local_path(entry.base_path, f'model {entry.name}: base_path')
    except ServingError as error:
        raise invalid_argument(str(error)) from error
    # A relative path would depend on the folder in which the server was started.
    if not base_path.is_absolute() or '\0' in entry.base_path:
        raise invalid_argument(
            f'Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}'
        )
    logging = None
    if entry.HasField('logging_config'):
        logging = entry.logging_config
        request_log.check(entry.name, logging)
    return ModelConfig(entry.name, base_path, _policy(entry), dict(entry.version_labels), logging)


def _policy(entry: Any) -> VersionPolicy:
    policy = entry.model_version_policy
    choice = policy.WhichOneof('policy_choice')
    if choice == 'all':
        return VersionPolicy(latest=None)
    if choice == 'specific':
        return VersionPolicy(latest=None, specific=tuple(policy.specific.versions))
    # Without a policy, and for `latest {}`, upstream serves one version.
    return VersionPolicy(latest=policy.latest.num_versions or 1)
