"""What the served model is asked after a run, so that people see what they have got."""

import dataclasses
from collections.abc import Iterable

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data
from vaiven.components.text_example_gen.rows import CLASSES, identity, split_of

PREFIX_WORDS = 3
_LONGEST = 160


@dataclasses.dataclass(frozen=True)
class Questions:
    """Texts whose sentiment is asked, each with the right answer where it is known, and begins of texts."""

    texts: tuple[str, ...]
    expected: tuple[str | None, ...]
    prefixes: tuple[str, ...]


# For the data that a preset brings along.
PRESET_QUESTIONS = {
    'reviews': Questions(
        (
            'a warm , funny and beautifully acted film',
            'tedious , badly written and far too long',
            'not a bad film at all',
            'the cast is wonderful , but the story goes nowhere',
        ),
        (None, None, None, None),
        ('this is one of the', 'the film is', 'a movie that'),
    ),
}


def held_out_questions(files: DataFiles, config: DataConfig, count: int = 6) -> Questions:
    """Rows of the data that the model never learned from, of both classes in turn; short ones only.

    Of data without labels only begins are asked.
    """
    by_class: list[list[str]] = [[], []]
    passages: list[str] = []
    for row in read_data(files, config):
        if not row.text.strip() or split_of(row, identity(row.text), config) != 'test':
            continue
        if row.label is None:
            passages.append(row.text)
        elif len(row.text) <= _LONGEST:
            by_class[row.label].append(row.text)
        if len(passages) >= count or min(map(len, by_class)) >= count // 2:
            break
    chosen = [(text, CLASSES[label]) for label in (1, 0) for text in by_class[label][: count // 2]]
    texts = tuple(text for text, _ in chosen)
    return Questions(texts, tuple(label for _, label in chosen), tuple(_prefixes(texts or passages)))


def _prefixes(texts: Iterable[str]) -> Iterable[str]:
    words = (text.split() for text in texts)
    begins = [' '.join(parts[:PREFIX_WORDS]) for parts in words if len(parts) > PREFIX_WORDS]
    return begins[:: max(1, len(begins) // 3)][:3]
