"""Messages of protobuf in their text form, as configuration files hold them: one reader for all of them."""

from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import message as protobuf
from google.protobuf import text_format

Message = TypeVar('Message')

# The line about a text that is not such a message starts as the stock server's does; the message's name follows.
PARSE_ERROR = 'Error parsing text-format'
# The largest configuration has a few megabytes; without a limit /dev/zero would take all memory.
MAX_BYTES = 16 << 20
# The line that is wrong is quoted, and may be the whole file.
_MAX_REASON_CHARACTERS = 300


class TextProtoError(ValueError):
    """The text or the file holds no such message; says in one line why."""


def read(path: Path, message: Message, pool: Any = None, *, secret: bool = False) -> Message:
    """Fills `message` from a file.

    Args:
        path: the file.
        message: an empty message, which is returned.
        pool: knows the types of extensions and of `Any`; None for the default.
        secret: whether the error must quote nothing of the file.

    Raises:
        TextProtoError: the file cannot be read, is not UTF-8 text, is larger than 16 MiB, or `parse` refuses it.
    """
    name = message.DESCRIPTOR.full_name  # type: ignore[attr-defined]  # the stubs have no descriptors
    try:
        with path.open('rb') as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TextProtoError(f'cannot read {path}: {reason}') from error
    if len(data) > MAX_BYTES:
        raise TextProtoError(
            f'{path} is larger than {MAX_BYTES >> 20} MiB, too large for a {name} in text format'
        )
    try:
        # Editors of Windows write a byte order mark.
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise TextProtoError(
            f'{path} must be UTF-8 text, a {name} in text format: byte {error.start + 1} is not UTF-8'
        ) from None
    try:
        return parse(text, message, pool, secret=secret)
    except TextProtoError as error:
        raise TextProtoError(f'{error} (in {path})') from None


def parse(text: str, message: Message, pool: Any = None, *, secret: bool = False) -> Message:
    """Fills `message` from `text`.

    Args:
        text: the message in text format.
        message: an empty message, which is returned.
        pool: knows the types of extensions and of `Any`; None for the default.
        secret: whether the error must quote nothing of the text.

    Raises:
        TextProtoError: the text is not such a message, or is nested too deeply.
    """
    descriptor = message.DESCRIPTOR  # type: ignore[attr-defined]  # the stubs have no descriptors
    try:
        text_format.Parse(text, message, descriptor_pool=pool)  # type: ignore[type-var]  # any message class
        # What is read from the binary form may be nested less deeply than what can be written to it.
        type(message).FromString(message.SerializeToString())  # type: ignore[attr-defined]  # the stubs have no descriptors
    except text_format.ParseError as error:
        reason = f'line {error.GetLine()}, column {error.GetColumn()}' if secret else _one_line(str(error))
    except (RecursionError, protobuf.DecodeError, protobuf.EncodeError):
        reason = 'messages are nested too deeply'
    else:
        return message
    raise TextProtoError(f'{PARSE_ERROR} {descriptor.full_name}: {reason}')


def _one_line(text: str) -> str:
    line = ''.join(character if character.isprintable() else ' ' for character in text)
    if len(line) <= _MAX_REASON_CHARACTERS:
        return line
    half = _MAX_REASON_CHARACTERS // 2
    return f'{line[:half]} … {line[-half:]}'
