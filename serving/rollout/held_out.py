"""Reads the examples that a version was trained and evaluated on, without TensorFlow.

TextExampleGen writes them: `Split-<name>/*.gz`, TFRecord files of tf.Examples.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from vaiven.label_spec import NO_CLASS, LabelSpec
from vaiven.serving.common import model_labels
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.model_labels import Label, ModelLabels
from vaiven.serving.common.tfrecords import Records
from vaiven.serving.rollout import lineage
from vaiven.serving.rollout.request_tables import TEXT
from vaiven.serving.rollout.requests import Request
from vaiven.serving.wire import messages

TEST = 'test'
SPLITS = ('train', 'eval', TEST, 'unlabelled')
LABEL, PROBABILITIES = 'label', 'probabilities'

Row = dict[str, str | int | float | list[str] | list[float]]


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


def labels_of(base_path: Path, version: int) -> ModelLabels:
    """Returns the labels of a version, whose classes the examples store by their index; sentiment if it says none.

    Args:
        base_path: folder with the versions.
        version: the version.
    """
    return model_labels.of_model(base_path / str(version)) or model_labels.UNKNOWN


def rows(folder: Path, split: str, spec: LabelSpec) -> Iterator[Row]:
    """Yields the rows of one split, each as values by column; `label` is a class, or a list of them if multilabel.

    Args:
        folder: the result of `examples_folder`.
        split: name of the split, such as `test`.
        spec: of the labels that `labels_of` returns.

    Raises:
        ServingError: there is no such split, or a file is damaged.
    """
    paths = sorted((folder / f'Split-{split}').glob('*.gz'))
    if not paths:
        raise ServingError(f'{folder} has no split {split!r}')
    for path in paths:
        with Records(path) as records:
            while (record := records.next()) is not None:
                yield _row(record, path, spec)


def requests(folder: Path, spec: LabelSpec, split: str = TEST) -> list[Request]:
    """Returns the rows of a split as requests with their labels.

    Args:
        folder: the result of `examples_folder`.
        spec: of the labels that `labels_of` returns.
        split: name of the split.

    Raises:
        ServingError: there is no such split, it has no rows, or a file is damaged.
    """
    labelled = [Request({TEXT: [row[TEXT]]}, expected_label=_label(row)) for row in rows(folder, split, spec)]
    if not labelled:
        raise ServingError(f'split {split!r} of {folder} has no rows')
    return labelled


def _label(row: Row) -> Label | None:
    label = row.get(LABEL)
    if label is None:
        return None
    return frozenset(map(str, label)) if isinstance(label, list) else str(label)


def _row(record: bytes, path: Path, spec: LabelSpec) -> Row:
    try:
        features = messages.Example.FromString(record).features.feature
        values = {name: list(_values(feature)) for name, feature in sorted(features.items())}
        row: Row = {name: _value(value[0]) for name, value in values.items() if value}
        text = row[TEXT]
        if LABEL in row:
            names = [spec.classes[index] for index in values[LABEL] if 0 <= index < spec.size]
            if len(names) != len(values[LABEL]) and values[LABEL] != [NO_CLASS]:
                raise ServingError(
                    f'{path} has the label {values[LABEL]}, and the model has {spec.size} classes: the examples are '
                    'not those of the model'
                )
            row[LABEL] = names if spec.kind == 'multilabel' else names[0]
        if PROBABILITIES in row:
            row[PROBABILITIES] = [_shortest(value) for value in values[PROBABILITIES]]
    except (DecodeError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ServingError(f'{path} is damaged: a record is not an example with a text') from error
    assert isinstance(text, str)
    return row


def _values(feature: Any) -> Any:
    kind = feature.WhichOneof('kind')
    return getattr(feature, kind).value if kind else ()


def _value(value: bytes | float) -> str | int | float:
    if isinstance(value, bytes):
        return value.decode()
    return _shortest(value) if isinstance(value, float) else int(value)


def _shortest(value: float) -> float:
    """Returns the shortest decimal number with the same 32-bit float, such as 0.1 for 0.10000000149."""
    import numpy as np

    return float(str(np.float32(value)))
