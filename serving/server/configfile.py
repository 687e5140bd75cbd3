"""Configuration files: text protos, and files that hold secrets."""

import stat
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from vaiven.serving.errors import ServingError
from vaiven.serving.server import log
from vaiven.serving.wire import messages

# What protobuf says first of a file that is no such message; the message's full name follows.
PARSE_ERROR = 'Error parsing text-format'


def read(path: Path, message_class: Any, *, secret: bool = False) -> Any:
    """The text proto in `path`.

    Args:
        path: the file.
        message_class: what it holds, of `messages`.
        secret: whether nothing of what it says may be in an error.

    Raises:
        ServingError: it cannot be read, or is no such message.
    """
    name = message_class.DESCRIPTOR.full_name
    try:
        text = path.read_text(encoding='utf-8')
    except UnicodeDecodeError:
        raise ServingError(f'{path} must be UTF-8 text: a {name} in text format') from None
    except OSError as error:
        raise ServingError(f'cannot read {path}: {error.strerror or error}') from error
    try:
        return text_format.Parse(text, message_class(), descriptor_pool=messages.pool)
    except text_format.ParseError as error:
        where = f'line {error.GetLine()}, column {error.GetColumn()}' if secret else str(error)
        raise ServingError(f'{PARSE_ERROR} {name} in {path}: {where}') from None


def warn_if_public(path: Path) -> None:
    """Logs a line if everybody on the machine may read a file with secrets."""
    try:
        public = path.stat().st_mode & stat.S_IROTH
    except OSError:
        return
    if public:
        log.problem('secrets in a file that everybody can read', file=path, mend=f'chmod o-r {path}')
