"""The examples that the run of a version was trained and tested on, read without TensorFlow.

TextExampleGen writes them: `Split-<name>/*.gz`, TFRecord files of tf.Examples.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tfrecords import Records
from vaiven.serving.rollout import lineage
from vaiven.serving.rollout.request_tables import TEXT
from vaiven.serving.rollout.requests import Asked
from vaiven.serving.wire import messages

TEST = 'test'
SPLITS = ('train', 'eval', TEST, 'unlabelled')
LABEL = 'label'
# The number in the examples is the place of the class. These are the spellings that a run reads by default.
CLASSES = {0: 'negative', 1: 'positive'}

Row = dict[str, str | int | float]


def folder_of(base_path: Path, version: int, store: Path | None = None) -> Path:
    """The folder of the examples of the run that pushed `version` to `base_path`.

    Args:
        base_path: folder with the versions.
        version: which one.
        store: the metadata store; None for that of the run which the folder belongs to.

    Raises:
        ServingError: there is no store, it knows nothing of the version, or the examples were deleted.
    """
    path = store or lineage.store_of(base_path)
    if not path.exists():
        raise ServingError(
            f'{base_path} belongs to no run: there is no metadata store {path}, so its held-out rows are not known'
        )
    folder = lineage.examples_of(path, base_path, version)
    if folder is None:
        raise ServingError(f'{path} knows no run that pushed version {version} to {base_path}')
    if not folder.is_dir():
        raise ServingError(f'the examples of version {version} are gone: there is no folder {folder}')
    return folder


def rows(folder: Path, split: str) -> Iterator[Row]:
    """The rows of one split of the examples in `folder`: by column, those that an example has; `label` as a word.

    Raises:
        ServingError: there is no such split, or a file is damaged.
    """
    paths = sorted((folder / f'Split-{split}').glob('*.gz'))
    if not paths:
        raise ServingError(f'{folder} has no split {split!r}')
    for path in paths:
        with Records(path) as records:
            while (record := records.next()) is not None:
                yield _row(record, path)


def requests(folder: Path, split: str = TEST) -> list[Asked]:
    """The rows of a split as requests, with their labels. Raises ServingError as `rows`, and where it is empty."""
    found = [Asked({TEXT: [row[TEXT]]}, truth=_truth(row)) for row in rows(folder, split)]
    if not found:
        raise ServingError(f'split {split!r} of {folder} has no rows')
    return found


def _truth(row: Row) -> str | None:
    label = row.get(LABEL)
    return None if label is None else str(label)


def _row(record: bytes, path: Path) -> Row:
    try:
        features = messages.Example.FromString(record).features.feature
        found: Row = {name: _value(feature) for name, feature in sorted(features.items()) if _values(feature)}
        text = found[TEXT]
        if LABEL in found:
            found[LABEL] = CLASSES[found[LABEL]]  # type: ignore[index]
    except (DecodeError, KeyError, ValueError) as error:
        raise ServingError(f'{path} is damaged: a record is no example of a text') from error
    assert isinstance(text, str)
    return found


def _values(feature: Any) -> Any:
    kind = feature.WhichOneof('kind')
    return getattr(feature, kind).value if kind else ()


def _value(feature: Any) -> str | int | float:
    value = _values(feature)[0]
    if isinstance(value, bytes):
        return value.decode()
    return _shortest(value) if isinstance(value, float) else int(value)


def _shortest(value: float) -> float:
    """The number with the fewest digits that is the same in 32 bits, as 0.1 for 0.10000000149."""
    import numpy as np

    return float(str(np.float32(value)))
