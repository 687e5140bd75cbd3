"""The roles of the columns of a file."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.options import ALL, EVERY, Options, Remedies

_NUMBER = re.compile(r'[+-]?[0-9.,:/-]*[0-9][0-9.,:/-]*')
_NO_LETTERS = re.compile(r'[\W_]+')
_MAX_SHOWN = 20


class Places:
    """The positions of the fields in a row.

    Attributes:
        size: number of fields in a row.
        names: names of the columns, stripped.
        read: pairs of a role and its position.
        kept: pairs of the name and the position of a column that is kept.
    """

    def __init__(self, header: Sequence[str], options: Options, file: str, delimiter: str = '') -> None:
        """
        Args:
            header: the names of the columns, as the file has them.
            options: the columns to read and to keep.
            file: name of the file, for messages.
            delimiter: delimiter of the header, if there is one.

        Raises:
            TableError: a column is missing or appears twice.
        """
        self.size = len(header)
        self.names = [name.strip() for name in header]
        require_no_near_miss(self.names, options, file)
        wanted = {
            part: column
            for part, column in options.columns.items()
            if part not in options.optional or column in self.names
        }
        for part, column in wanted.items():
            if column not in self.names:
                raise TableError(
                    f'{file}: no column is named {column!r}; there are: {_list(self.names)}; '
                    + _advice(self.names, part, column, options, delimiter)
                )
        keep = options.keep
        if keep == ALL:
            keep = tuple(name for name in dict.fromkeys(self.names) if name not in wanted.values())
        elif keep == EVERY:
            keep = tuple(dict.fromkeys(self.names))
        for column in keep:
            if column not in self.names:
                raise TableError(f'{file}: {not_to_keep(column, self.names)}')
        for column in (*wanted.values(), *keep):
            if (count := self.names.count(column)) > 1:
                raise TableError(f'{file}: {count} columns are named {column!r}; rename all but one')
        self.read = [(part, self.names.index(column)) for part, column in wanted.items()]
        self.kept = [(column, self.names.index(column)) for column in keep]


def not_to_keep(column: str, names: Sequence[str]) -> str:
    """Returns the message for a missing column of `--keep-columns`."""
    return f'no column is named {column!r}, which is to be kept; there are: {_list(names)}'


def _list(names: Sequence[str]) -> str:
    shown = ', '.join(repr(name if len(name) <= 40 else name[:40] + '…') for name in names[:_MAX_SHOWN])
    return shown + (f', … ({len(names)} in all)' if len(names) > _MAX_SHOWN else '')


def _advice(names: Sequence[str], part: str, column: str, options: Options, delimiter: str) -> str:
    if not options.names and delimiter and options.remedies.names and looks_like_data(names):
        example = ','.join(_guessed(names))
        return f'the first row looks like data: name the columns with {options.remedies.names.format(names=example)}'
    return _other_delimiter(names, delimiter, options) or naming(part, column, names, options.remedies)


def naming(part: str, column: str, names: Iterable[str], remedies: Remedies) -> str:
    """Returns the advice for a missing column.

    Args:
        part: role of the column.
        column: its configured name.
        names: the names in the file; one that differs only slightly is suggested.
        remedies: the wording of the advice.
    """
    return remedies.naming(part, next((name for name in names if near(name, column)), 'NAME'))


def near(name: str, column: str) -> bool:
    """Whether two names differ only in case, a plural, or characters that are neither letters nor digits."""
    return _letters(name) == _letters(column)


def _letters(name: str) -> str:
    letters = _NO_LETTERS.sub('', unicodedata.normalize('NFKC', name).casefold())
    return letters.removesuffix('s') or name


def require_no_near_miss(names: Sequence[str], options: Options, where: str) -> None:
    """Refuses a file whose optional column is missing while a similar name exists.

    Args:
        names: names of the columns.
        options: the columns to read.
        where: name of the file, for messages.

    Raises:
        TableError: there is such a name.
    """
    for part in options.optional:
        column = options.columns[part]
        for name in names if column not in names else ():
            if near(name, column):
                raise TableError(
                    f'{where}: no column is named {column!r}, but one is named {name!r}; '
                    f'{options.remedies.naming(part, name)}, or rename it where it is something else'
                )


def _guessed(fields: Sequence[str]) -> list[str]:
    """Guesses names for the columns of a row: the longest field is the text, the shortest other one the label.

    Sentiment140 has label, id, date, query, user, text; Amazon's reviews have label, title, text.
    """
    places = range(len(fields))
    text = max(places, key=lambda place: len(fields[place]))
    label = min(
        (place for place in places if place != text), key=lambda place: len(fields[place]), default=text
    )
    names = {label: 'label', text: 'text'}
    return [names.get(place, f'c{place + 1}') for place in places]


def looks_like_data(names: Sequence[str]) -> bool:
    """Whether fields look like values, such as numbers or sentences, and not like names of columns."""
    return any(_NUMBER.fullmatch(name) or len(name.split()) > 5 or len(name) > 60 for name in names)


def _other_delimiter(names: Sequence[str], delimiter: str, options: Options) -> str:
    if delimiter and len(names) == 1 and options.remedies.delimiter:
        for other, word in ((';', ';'), ('\t', 'a tab'), (',', ','), ('|', '|')):
            if other != delimiter and other in names[0]:
                value = "$'\\t'" if other == '\t' else f"'{other}'"
                return f'the fields seem to be divided by {word}: {options.remedies.delimiter.format(value=value)}'
    return ''
