"""Reads the examples that a version was trained and evaluated on, without TensorFlow.

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
from vaiven.serving.rollout.requests import Request
from vaiven.serving.wire import messages

TEST = 'test'
SPLITS = ('train', 'eval', TEST, 'unlabelled')
LABEL = 'label'
# The examples store the index of the class. These spellings are among those that a run reads by default.
CLASSES = {0: 'negative', 1: 'positive'}

Row = dict[str, str | int | float]


def examples_folder(base_path: Path, version: int, store: Path | None = None) -> Path:
    """Returns the folder of the examples of the run that pushed a version.

    Args:
        base_path: folder with the versions.
        version: the version.
        store: the metadata store; None for the store of the run that the folder belongs to.

    Raises:
        ServingError: there is no store, it does not contain the version, or the examples were deleted.
    """
    path = store or lineage.store_path(base_path)
    if not path.exists():
        raise ServingError(
            f'{base_path} does not belong to a run: there is no metadata store {path}, so its held-out rows are unknown'
        )
    folder = lineage.examples_of(path, base_path, version)
    if folder is None:
        raise ServingError(f'{path} has no run that pushed version {version} to {base_path}')
    if not folder.is_dir():
        raise ServingError(f'the examples of version {version} were deleted: there is no folder {folder}')
    return folder


def rows(folder: Path, split: str) -> Iterator[Row]:
    """Yields the rows of one split, each as values by column; `label` is `negative` or `positive`.

    Args:
        folder: the result of `examples_folder`.
        split: name of the split, such as `test`.

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


def requests(folder: Path, split: str = TEST) -> list[Request]:
    """Returns the rows of a split as requests with their labels.

    Args:
        folder: the result of `examples_folder`.
        split: name of the split.

    Raises:
        ServingError: there is no such split, it has no rows, or a file is damaged.
    """
    labelled = [Request({TEXT: [row[TEXT]]}, expected_label=_label(row)) for row in rows(folder, split)]
    if not labelled:
        raise ServingError(f'split {split!r} of {folder} has no rows')
    return labelled


def _label(row: Row) -> str | None:
    label = row.get(LABEL)
    return None if label is None else str(label)


def _row(record: bytes, path: Path) -> Row:
    try:
        features = messages.Example.FromString(record).features.feature
        row: Row = {name: _value(feature) for name, feature in sorted(features.items()) if _values(feature)}
        text = row[TEXT]
        if LABEL in row:
            row[LABEL] = CLASSES[row[LABEL]]  # type: ignore[index]  # another type is a KeyError, too
    except (DecodeError, KeyError, ValueError) as error:
        raise ServingError(f'{path} is damaged: a record is not an example with a text') from error
    assert isinstance(text, str)
    return row


def _values(feature: Any) -> Any:
    kind = feature.WhichOneof('kind')
    return getattr(feature, kind).value if kind else ()


def _value(feature: Any) -> str | int | float:
    value = _values(feature)[0]
    if isinstance(value, bytes):
        return value.decode()
    return _shortest(value) if isinstance(value, float) else int(value)


def _shortest(value: float) -> float:
    """Returns the shortest decimal number with the same 32-bit float, such as 0.1 for 0.10000000149."""
    import numpy as np

    return float(str(np.float32(value)))
