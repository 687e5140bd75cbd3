"""The columns of a file, whatever its format, and the values in them."""

from collections.abc import Mapping, Sequence

from vaiven.components.text_example_gen.errors import DataError

# What is read of a row (`text`, `label`, …) → the name of its column.
Columns = Mapping[str, str]
# Where a row is, and its fields by what they are; None for one that is not there.
Record = tuple[str, Mapping[str, str | None]]


def require_columns(names: Sequence[str], columns: Columns, file: str, delimiter: str = '') -> None:
    """Raises DataError unless each of `columns` is among the `names` of a file, once.

    Args:
        names: the file's columns.
        columns: those that are wanted.
        file: what the message begins with.
        delimiter: what the names were divided by, if anything.
    """
    for part, wanted in columns.items():
        if wanted not in names:
            raise DataError(
                f'{file}: no column is named {wanted!r}; there are: {", ".join(map(repr, names))}; '
                + (_other_delimiter(names, delimiter) or naming(part))
            )
        if names.count(wanted) > 1:
            raise DataError(f'{file}: {names.count(wanted)} columns are named {wanted!r}; rename all but one')


def naming(part: str) -> str:
    """How to say which column is the `text`, `label`, …"""
    option = f'--{part}-column' if part in ('text', 'label') else f'--set data.{part}_column'
    without = '; where there are no labels: --set data.label_column=null' if part == 'label' else ''
    return f'name it with {option}=NAME{without}'


def _other_delimiter(names: Sequence[str], delimiter: str) -> str:
    if delimiter and len(names) == 1:
        for other, word in ((';', ';'), ('\t', 'a tab'), (',', ','), ('|', '|')):
            if other != delimiter and other in names[0]:
                value = "$'\\t'" if other == '\t' else f"'{other}'"
                return f'the fields seem to be divided by {word}: --set data.delimiter={value}'
    return ''


def field(value: object, part: str, column: str, where: str) -> str | None:
    """A value of a typed file as the text that a csv file would have; None for none.

    Raises:
        DataError: for lists and the like, for a text that is a number, and for characters that no text has.
    """
    if value is None or value != value:  # pandas writes NaN where there is no number
        return None
    if isinstance(value, str):
        for character, name in (('\0', 'NUL'), *_half_pairs(value)):
            if character in value:
                raise DataError(f'{where}: {column!r} holds {name}, which is no character; remove it')
        return value
    if part == 'text' or not isinstance(value, (bool, int, float)):
        kind = 'text' if part == 'text' else 'text or number'
        raise DataError(f'{where}: {column!r} holds {_shown(value)}, no {kind}; {naming(part)}')
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _half_pairs(text: str) -> list[tuple[str, str]]:
    """Halves of surrogate pairs, which JSON can name and UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        return [(half, f'half of a surrogate pair (\\u{ord(half):04x})')]
    return []


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:40] + '…'
