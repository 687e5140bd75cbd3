"""The values of fields, whatever the format of their file."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import Remedies


class Record(NamedTuple):
    """One row.

    Attributes:
        where: file and line.
        fields: by what they are; None for an empty one, absent where the row has no such key.
        kept: other values by the names of their columns, as they stand in the file; absent where the row has no such
            key.
    """

    where: str
    fields: Mapping[str, str | None]
    kept: Mapping[str, Any]


NOTHING: Mapping[str, Any] = {}

# What the bytes 0x80 to 0x9f are in CP1252, which Latin-1 reads as controls.
_CP1252 = {byte: bytes((byte,)).decode('cp1252', 'ignore') for byte in range(0x80, 0xA0)}
_MAPPED = {byte: character for byte, character in _CP1252.items() if character}
_SECOND = '\u00a0-\u00bf' + re.escape(''.join(_MAPPED.values()))
_CONTROL = re.compile('[\x80-\x9f]')
# Two or three bytes of UTF-8, each read as a character of CP1252: of Latin letters, punctuation, Cyrillic.
_MOJIBAKE = re.compile(f'[ÃÂ][{_SECOND}]|â€|(?:[ÐÑ][{_SECOND}]){{2}}')
_SUSPECT = re.compile('[\x80-\x9fÃÂÐâ]')


def clean(text: str, where: str, notes: Notes) -> str:
    """The text with C1 controls as CP1252 means them; counts those, and what looks like mojibake.

    Raises:
        TableError: a control that CP1252 does not have either.
    """
    if text.isascii() or not _SUSPECT.search(text):
        return text
    if _CONTROL.search(text):
        for character in text:
            if '\x80' <= character <= '\x9f' and ord(character) not in _MAPPED:
                raise TableError(
                    f'{where}: holds the control character U+{ord(character):04X}, which no text has; '
                    'write the file again with the right encoding'
                )
        notes.add('controls', where)
        text = text.translate(_MAPPED)
    if _MOJIBAKE.search(text):
        notes.add('mojibake', where)
    return text


def field(value: object, part: str, column: str, where: str, remedies: Remedies) -> str | None:
    """A value of a typed file as the text that a csv file would have; None for none.

    Raises:
        TableError: for lists and the like, for a text that is a number, and for characters that no text has.
    """
    if isinstance(value, str):
        if '\0' in value:
            raise TableError(f'{where}: {column!r} holds NUL, which is not a character; remove it')
        if not value.isascii() and (half := _half_pair(value)):
            raise TableError(
                f'{where}: {column!r} holds half of a surrogate pair (\\u{ord(half):04x}), '
                'which is not a character; remove it'
            )
        return value
    if value is None or value != value:  # pandas writes NaN where there is no number
        return None
    if part == 'text' or not isinstance(value, (bool, int, float)):
        kind = 'text' if part == 'text' else 'text or number'
        raise TableError(f'{where}: {column!r} holds {_shown(value)}, no {kind}; {remedies.naming(part)}')
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _half_pair(text: str) -> str:
    """The first half of a surrogate pair, which JSON can name and UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start]
    return ''


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:40] + '…'
