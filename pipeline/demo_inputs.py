"""The inputs of the demonstration after a run, which shows what the model predicts."""

import dataclasses
import itertools
from collections.abc import Iterable

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data
from vaiven.components.text_example_gen.rows import Label, assign_split, indices, text_fingerprint
from vaiven.pipeline.config import Config

PREFIX_WORDS = 3
_MAX_CHARACTERS = 160


@dataclasses.dataclass(frozen=True)
class DemoInputs:
    """The inputs of a demonstration.

    Attributes:
        texts: texts whose label is predicted.
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
    """Inputs from the test split: short texts of several classes, prefixes and prompts.

    Args:
        files: the data of the run.
        config: the configuration of the run.
        count: how many texts: as many of each class as fit, the last class first.
    """
    rows = (row for row in read_data(files, config.data) if row.text.strip())
    test_rows = (row for row in rows if assign_split(row, text_fingerprint(row.text), config.data) == 'test')
    if config.training.task == 'language':
        return DemoInputs(prompts=('', *_prefixes(row.text for row in itertools.islice(test_rows, count))))
    spec = config.data.label_spec()
    of_each = max(1, count // spec.size)
    by_label: dict[Label, list[str]] = {}
    for row in test_rows:
        if row.label is not None and len(row.text) <= _MAX_CHARACTERS:
            texts_of_label = by_label.setdefault(row.label, [])
            if len(texts_of_label) < of_each:
                texts_of_label.append(row.text)
        if sum(map(len, by_label.values())) >= of_each * min(spec.size, count):
            break
    labels = sorted(by_label, key=indices, reverse=True)
    chosen = [(text, _name(label, config.data)) for label in labels for text in by_label[label]][:count]
    texts = tuple(text for text, _ in chosen)
    return DemoInputs(texts, tuple(label for _, label in chosen), _prefixes(texts))


def _name(label: Label, config: DataConfig) -> str:
    """The name of the class of a label; the names of several classes, with the separator."""
    return config.label_separator.join(config.label_spec().classes[index] for index in indices(label))


def _prefixes(texts: Iterable[str]) -> tuple[str, ...]:
    words = (text.split() for text in texts)
    prefixes = [' '.join(parts[:PREFIX_WORDS]) for parts in words if len(parts) > PREFIX_WORDS]
    return tuple(prefixes[:: max(1, len(prefixes) // 3)][:3])
