"""What the served model is asked after a run, so that people see what they have got."""

import dataclasses
import itertools
from collections.abc import Iterable

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data
from vaiven.components.text_example_gen.rows import CLASSES, identity, split_of
from vaiven.pipeline.config import Config

PREFIX_WORDS = 3
_LONGEST = 160


@dataclasses.dataclass(frozen=True)
class Questions:
    """What to ask.

    Attributes:
        texts: whose sentiment is asked.
        expected: the right answers, where they are known.
        prefixes: begins of texts whose next words are asked.
        begins: begins of texts to be written on.
    """

    texts: tuple[str, ...] = ()
    expected: tuple[str | None, ...] = ()
    prefixes: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()


# For the data that comes along, by task.
DEFAULT_QUESTIONS = {
    'language': Questions(begins=('', 'this is one of the')),
    'sentiment': Questions(
        (
            'a warm , funny and beautifully acted film',
            'tedious , badly written and far too long',
            'an unforgettable film',
            'I was bored from start to finish',
        ),
        (None, None, None, None),
        ('this is one of the', 'the film is', 'a movie that'),
    ),
}


def held_out_questions(files: DataFiles, config: Config, count: int = 6) -> Questions:
    """Rows of the data that the model never learned from: what they begin with, and short ones of both classes."""
    rows = (row for row in read_data(files, config.data) if row.text.strip())
    held_out = (row for row in rows if split_of(row, identity(row.text), config.data) == 'test')
    if config.training.task == 'language':
        return Questions(begins=('', *_prefixes(row.text for row in itertools.islice(held_out, count))))
    by_class: list[list[str]] = [[], []]
    for row in held_out:
        if row.label is not None and len(row.text) <= _LONGEST:
            by_class[row.label].append(row.text)
        if min(map(len, by_class)) >= count // 2:
            break
    chosen = [(text, CLASSES[label]) for label in (1, 0) for text in by_class[label][: count // 2]]
    texts = tuple(text for text, _ in chosen)
    return Questions(texts, tuple(label for _, label in chosen), _prefixes(texts))


def _prefixes(texts: Iterable[str]) -> tuple[str, ...]:
    words = (text.split() for text in texts)
    begins = [' '.join(parts[:PREFIX_WORDS]) for parts in words if len(parts) > PREFIX_WORDS]
    return tuple(begins[:: max(1, len(begins) // 3)][:3])
