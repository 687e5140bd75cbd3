"""The server's log: one line of `key=value` pairs per event, on standard error."""

import json
import logging
import time
from typing import TextIO

# The line that the model server and the gateway log when their ports are open; their starters wait for it.
READY_LINE = r'^\S+ INFO serving grpc='

_logger = logging.getLogger('vaiven.serving')


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))
        return f'{moment}.{int(record.msecs):03d}Z {record.levelname} {record.getMessage()}'


def start(stream: TextIO) -> None:
    """Sends events to `stream`, and nothing but errors from the libraries."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines())
    _logger.handlers[:] = [handler]
    _logger.setLevel(logging.INFO)
    _logger.propagate = False
    for library in ('tensorflow', 'absl', 'asyncio', 'grpc', 'aiohttp'):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def event(name: str, **values: object) -> None:
    """Logs `name key=value …`; texts with spaces are quoted as in JSON, newlines become spaces."""
    _logger.info('%s', _line(name, values))


def problem(name: str, **values: object) -> None:
    """Like `event`, for what somebody should look at."""
    _logger.error('%s', _line(name, values))


def _line(name: str, values: dict[str, object]) -> str:
    return ' '.join([name, *(f'{key}={_text(value)}' for key, value in values.items())])


def _text(value: object) -> str:
    if isinstance(value, float):
        return f'{value:.3f}'
    text = ' '.join(str(value).split())
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=') else text
