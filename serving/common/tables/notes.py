"""What a reader noticed and did not refuse."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Notes:
    """Counts, filled while rows are read.

    Attributes:
        controls: texts with C1 control characters (U+0080 to U+009F), which were mapped as CP1252 means them.
        mojibake: texts that look like UTF-8 read as another encoding (`Ã©`, `â€™`); they stay as they are.
        unquoted: fields of tab-separated files whose quotation marks were removed.
        first: where the first of each was seen, by the name of the count.
    """

    controls: int = 0
    mojibake: int = 0
    unquoted: int = 0
    first: dict[str, str] | None = None

    def add(self, name: str, where: str) -> None:
        setattr(self, name, getattr(self, name) + 1)
        if self.first is None:
            self.first = {}
        self.first.setdefault(name, where)

    def counts(self) -> dict[str, int]:
        """The counts by name, for a summary that adds up those of several files."""
        return {name: getattr(self, name) for name in COUNTS}

    def lines(self) -> list[str]:
        """A line for each count that is not 0."""
        return lines(self.counts(), self.first or {})


COUNTS = ('controls', 'mojibake', 'unquoted')
_TEXTS = {
    'controls': (
        'texts hold C1 control characters, which come from CP1252 read as Latin-1; they were read as CP1252'
    ),
    'mojibake': (
        'texts look like UTF-8 that was read as another encoding (as Ã© for é, â€™ for ’); '
        'write the file again from its source'
    ),
    'unquoted': 'fields of tab-separated rows were quoted; their quotation marks were removed',
}


def lines(counts: dict[str, Any], first: dict[str, str]) -> list[str]:
    """Sentences for people, from counts by name and the places where they were first seen."""
    return [
        f'{counts[name]:,} {text}' + (f' (first: {first[name]})' if name in first else '')
        for name, text in _TEXTS.items()
        if counts.get(name)
    ]
