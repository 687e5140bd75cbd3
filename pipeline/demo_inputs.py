"""The inputs of the demonstration after a run, which shows what the model predicts."""

import dataclasses
import itertools
from collections.abc import Iterable

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data
from vaiven.components.text_example_gen.rows import CLASSES, assign_split, text_fingerprint
from vaiven.pipeline.config import Config

PREFIX_WORDS = 3
_MAX_CHARACTERS = 160


@dataclasses.dataclass(frozen=True)
class DemoInputs:
    """The inputs of a demonstration.

    Attributes:
        texts: texts whose sentiment is predicted.
        labels: the label of each text; None if unknown.
        prefixes: texts whose next word is predicted.
        prompts: texts to continue.
    """

    texts: tuple[str, ...] = ()
    labels: tuple[str | None, ...] = ()
    prefixes: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


# For the default data, by task.
DEFAULT_DEMO_INPUTS = {
    'language': DemoInputs(prompts=('', 'this is one of the')),
    'sentiment': DemoInputs(
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


def held_out_demo_inputs(files: DataFiles, config: Config, count: int = 6) -> DemoInputs:
    """Inputs from the test split: short texts of both classes, prefixes and prompts.

    Args:
        files: the data of the run.
        config: the configuration of the run.
        count: how many texts.
    """
    rows = (row for row in read_data(files, config.data) if row.text.strip())
    test_rows = (row for row in rows if assign_split(row, text_fingerprint(row.text), config.data) == 'test')
    if config.training.task == 'language':
        return DemoInputs(prompts=('', *_prefixes(row.text for row in itertools.islice(test_rows, count))))
    by_class: list[list[str]] = [[], []]
    for row in test_rows:
        if row.label is not None and len(row.text) <= _MAX_CHARACTERS:
            by_class[row.label].append(row.text)
        if min(map(len, by_class)) >= count // 2:
            break
    chosen = [(text, CLASSES[label]) for label in (1, 0) for text in by_class[label][: count // 2]]
    texts = tuple(text for text, _ in chosen)
    return DemoInputs(texts, tuple(label for _, label in chosen), _prefixes(texts))


def _prefixes(texts: Iterable[str]) -> tuple[str, ...]:
    words = (text.split() for text in texts)
    prefixes = [' '.join(parts[:PREFIX_WORDS]) for parts in words if len(parts) > PREFIX_WORDS]
    return tuple(prefixes[:: max(1, len(prefixes) // 3)][:3])
