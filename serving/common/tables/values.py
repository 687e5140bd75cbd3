"""The values of fields, in every format."""

import datetime
import json
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
        fields: values by role; None for an empty one, absent if the row has no such key.
        kept: values of kept columns by name, unchanged; absent if the row has no such key.
    """

    where: str
    fields: Mapping[str, str | None]
    kept: Mapping[str, Any]


# Types of a value that is not one field, by the part that may have it.
_NESTED: dict[str, tuple[type, ...]] = {'label': (list,), 'probabilities': (list, dict)}
NOTHING: Mapping[str, Any] = {}

# The characters of the bytes 0x80 to 0x9f in CP1252; Latin-1 reads them as C1 controls.
_CP1252 = {byte: bytes((byte,)).decode('cp1252', 'ignore') for byte in range(0x80, 0xA0)}
_MAPPED = {byte: character for byte, character in _CP1252.items() if character}
_SECOND = '\u00a0-\u00bf' + re.escape(''.join(_MAPPED.values()))
_CONTROL = re.compile('[\x80-\x9f]')
# Two or three bytes of UTF-8, each decoded as CP1252: Latin letters, punctuation, Cyrillic.
_MOJIBAKE = re.compile(f'[ÃÂ][{_SECOND}]|â€|(?:[ÐÑ][{_SECOND}]){{2}}')
_SUSPECT = re.compile('[\x80-\x9fÃÂÐâ]')


def clean(text: str, where: str, notes: Notes) -> str:
    """Replaces C1 controls by their CP1252 characters; counts them, and probable mojibake.

    Args:
        text: the text.
        where: file and line, for messages.
        notes: the counts.

    Raises:
        TableError: CP1252 does not define the control either.
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
    """Converts a value of a typed file to the text that a csv file would contain; None for a missing value.

    Several labels, and probabilities, become JSON; a date becomes ISO 8601.

    Args:
        value: the value.
        part: role of the column.
        column: name of the column.
        where: file and line, for messages.
        remedies: the wording of the advice.

    Raises:
        TableError: the value is a list or an object and the part has none, a text is a number, or a character is not
            valid.
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
    if part == 'time' and isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, _NESTED.get(part, ())):
        return _json(value, part, column, where, remedies)
    if part == 'text' or not isinstance(value, (bool, int, float)):
        kind = 'text' if part == 'text' else 'text or number'
        raise TableError(f'{where}: {column!r} holds {_shown(value)}, no {kind}; {remedies.naming(part)}')
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _json(value: Any, part: str, column: str, where: str, remedies: Remedies) -> str:
    """A list of fields, or an object of them, as JSON."""
    if isinstance(value, dict):
        for key in value:
            field(key, part, column, where, remedies)
        return json.dumps({key: _item(item, part, column, where, remedies) for key, item in value.items()})
    return json.dumps([_item(item, part, column, where, remedies) for item in value], ensure_ascii=False)


def _item(value: object, part: str, column: str, where: str, remedies: Remedies) -> object:
    """An item of a list or an object; None for a missing number. It is checked as a field is."""
    if isinstance(value, (list, dict)):
        kind = 'list of texts or numbers' if part == 'label' else 'list of numbers'
        raise TableError(
            f'{where}: {column!r} holds {_shown(value)} in a list, no {kind}; {remedies.naming(part)}'
        )
    return None if field(value, part, column, where, remedies) is None else value


def _half_pair(text: str) -> str:
    """Returns the first lone surrogate, which JSON can contain and UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start]
    return ''


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:40] + '…'
