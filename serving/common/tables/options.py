"""How a table is read, and what the user of a command can do about a fault."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

# What is read of a row (`text`, `label`, …) → the name of its column.
Columns = Mapping[str, str]
ALL = ('*',)
EVERY = ('**',)


@dataclass(frozen=True)
class Remedies:
    """How the ends of messages name the settings of a command; '' where it has none.

    Attributes:
        column: `{part}` is what the column is read for, `{name}` the column.
        text, label: the same of these two, where that differs.
        names: gives names to columns without a header; `{names}` is an example.
        delimiter: `{value}` is what the fields seem to be divided by.
        encoding: `{value}` is the encoding.
        row_bytes: raises the bound of a row.
    """

    column: str = ''
    text: str = ''
    label: str = ''
    names: str = ''
    delimiter: str = ''
    encoding: str = ''
    row_bytes: str = ''

    def naming(self, part: str, name: str = 'NAME') -> str:
        """How to say that the column `name` is the `text`, `label`, …"""
        advice = {'text': self.text, 'label': self.label}.get(part) or self.column
        return advice.format(part=part, name=shlex.quote(name))

    def encoded(self, value: str) -> str:
        convert = f'iconv -f {value.upper()} -t UTF-8'
        option = self.encoding.format(value=value)
        return f'convert the file with {convert}' + (f', or give {option}' if option else '')


@dataclass(frozen=True)
class Options:
    """How a table is read.

    Attributes:
        columns: what is read. A table must have each of them; an object of jsonl only the `text`. May be empty, for
            tables whose columns are not known yet.
        optional: parts that a table may lack, if no column has nearly their name.
        keep: names of columns whose values come along as they are; `ALL` for all others, `EVERY` also
            for those that are read.
        names: of the columns of a delimited file without a header, from the left.
        delimiter: None for a comma, or a tab in `.tsv` files.
        encoding: None for UTF-8.
        max_row_bytes: a longer row is refused: it is most likely a quotation mark that is never closed.
        remedies: what messages advise.
    """

    columns: Columns
    optional: frozenset[str] = frozenset()
    keep: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None
    max_row_bytes: int = 1 << 24
    remedies: Remedies = field(default_factory=Remedies)
