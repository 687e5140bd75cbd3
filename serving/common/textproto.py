"""Messages of protobuf in their text form, as configuration files hold them."""

from typing import Any, TypeVar

from google.protobuf import text_format

Message = TypeVar('Message')


class TextProtoError(ValueError):
    """The text is not such a message; says in one line where."""


def parse(text: str, message: Message, pool: Any = None) -> Message:
    """Fills `message` from `text`.

    Args:
        text: the message in text format.
        message: an empty message, which is returned.
        pool: knows the types of extensions and of `Any`; None for the default.

    Raises:
        TextProtoError: the text is not such a message, or nested too deeply.
    """
    try:
        text_format.Parse(text, message, descriptor_pool=pool)  # type: ignore[type-var]
    except text_format.ParseError as error:
        raise TextProtoError((str(error).splitlines() or ['not a message'])[0]) from error
    except RecursionError:
        raise TextProtoError('messages are nested too deeply') from None
    return message
