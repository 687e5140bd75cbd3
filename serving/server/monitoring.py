"""Whether and where the metrics are served: --monitoring_config_file."""

from pathlib import Path

from vaiven.serving.common import config_file
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import messages

DEFAULT_PATH = '/monitoring/prometheus/metrics'


def metrics_path(file: Path) -> str:
    """The path of the metrics on the REST port that a MonitoringConfig says; '' where it turns them off.

    Raises:
        ServingError: the file cannot be read, is no MonitoringConfig, or names a path that no request can have.
    """
    config = config_file.read(file, messages.MonitoringConfig).prometheus_config
    if not config.enable:
        return ''
    path = str(config.path) or DEFAULT_PATH
    if not path.startswith('/') or '?' in path or not path.isascii() or not path.isprintable() or ' ' in path:
        raise ServingError(
            f'{file}: path must begin with "/" and be a path of an address. Received: {path!r}'
        )
    return path
