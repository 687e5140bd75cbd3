"""Configuration files: text protos, and files that hold secrets."""

import stat
from pathlib import Path
from typing import Any

from vaiven.serving.common import log, textproto
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import messages


def read(path: Path, message_class: Any, *, secret: bool = False) -> Any:
    """The text proto in `path`.

    Args:
        path: the file.
        message_class: what it holds, of `messages`.
        secret: whether nothing of what it says may be in an error.

    Raises:
        ServingError: it cannot be read, or is not such a message.
    """
    try:
        return textproto.read(path, message_class(), messages.pool, secret=secret)
    except textproto.TextProtoError as error:
        raise ServingError(str(error)) from None


def warn_if_public(path: Path) -> None:
    """Logs a line if everybody on the machine may read a file with secrets."""
    try:
        public = path.stat().st_mode & stat.S_IROTH
    except OSError:
        return
    if public:
        log.problem('secrets in a file that everybody can read', file=path, mend=f'chmod o-r {path}')
