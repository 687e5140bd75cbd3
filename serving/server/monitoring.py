"""The file of --monitoring_config_file: whether and under which path the metrics are served."""

from pathlib import Path

from vaiven.serving.common import config_file
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import messages

# Upstream's default.
DEFAULT_PATH = '/monitoring/prometheus/metrics'


def metrics_path(file: Path) -> str:
    """The path of the metrics on the REST port in a MonitoringConfig; '' if it turns them off.

    Raises:
        ServingError: the file cannot be read, is not a MonitoringConfig, or has a path that no request can have.
    """
    config = config_file.read(file, messages.MonitoringConfig).prometheus_config
    if not config.enable:
        return ''
    path = str(config.path) or DEFAULT_PATH
    if not path.startswith('/') or '?' in path or not path.isascii() or not path.isprintable() or ' ' in path:
        raise ServingError(
            f'{file}: path must start with "/" and be printable ASCII without spaces and "?". Received: {path!r}'
        )
    return path
