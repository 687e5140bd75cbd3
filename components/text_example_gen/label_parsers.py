"""Parses label fields while a file is read: into classes if they are known, or else into ids of the labels."""

from typing import Protocol

from vaiven.components.text_example_gen.column_counts import ColumnCounts, cut_label
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.rows import Label
from vaiven.serving.common.label_fields import field_labels
from vaiven.serving.common.labels import label_key, nfc

# Fields whose result is cached, and the number of characters up to which they are. Computing the key of a label for
# each row would take a quarter of the reading time.
_MAX_CACHED, _MAX_CACHED_LENGTH = 10_000, 100
# Id of all labels beyond those that are counted one by one. Data with so many labels is refused.
_OTHER = -1

# Key and spelling of each label of a field.
Spelled = tuple[tuple[str, str], ...]


class LabelReader(Protocol):
    """Parses the label field of a row, and counts its labels."""

    def __call__(self, field: str, where: str, counts: ColumnCounts) -> Label:
        """Parses a field.

        Args:
            field: as the file has it.
            where: file and line.
            counts: is updated.
        """


class LabelParser:
    """Parses fields into indices of the classes that the configuration names.

    Args:
        config: names of the labels.
    """

    def __init__(self, config: DataConfig) -> None:
        self._classes = config.label_classes()
        self._is_multilabel = config.label_kind == 'multilabel'
        self._separator = config.label_separator if self._is_multilabel else ''
        self._cache: dict[str, tuple[Label, Spelled | None]] = {}

    def __call__(self, field: str, where: str, counts: ColumnCounts) -> Label:
        """Parses a field; None for unlabelled rows and for labels that the configuration does not name.

        The latter are counted, and reported when the whole column has been read.

        Args:
            field: as the file has it.
            where: file and line.
            counts: is updated.

        Raises:
            DataError: if the field has several labels, and the kind of the labels is not multilabel.
        """
        entry = self._cache.get(field)
        if entry is None:
            entry = self._parse(field, where)
            if len(self._cache) < _MAX_CACHED and len(field) <= _MAX_CACHED_LENGTH:
                self._cache[field] = entry
        label, spelled = entry
        counts.add_labels(spelled, where)
        return label

    def _parse(self, field: str, where: str) -> tuple[Label, Spelled | None]:
        labels = field_labels(field, self._separator)
        if labels is None:
            return None, None
        spelled = _spelled(labels)
        indices = [self._classes.get(label_key(label)) for label in labels]
        if self._is_multilabel:
            known = sorted({index for index in indices if index is not None})
            return tuple(known) if known or not labels else None, spelled
        if len(labels) != 1:
            raise DataError(
                f'{where}: the row has {len(labels)} labels, and each row must have one; '
                'if a row may have several: --set data.label_kind=multilabel'
            )
        return indices[0], spelled


class LabelIds:
    """Parses fields into ids of the labels, for data whose classes are not known before all of it has been read.

    A row with one label gets its id, a row with several labels or none of the classes a tuple.

    Args:
        separator: divides several labels of a row; '' if only lists have several.

    Attributes:
        keys: key of each label, by its id.
        several: rows with more than one label, or with an empty list.
        first_several: file and line of the first of them.
    """

    def __init__(self, separator: str) -> None:
        self.keys: list[str] = []
        self.several = 0
        self.first_several = ''
        self._separator = separator
        self._ids: dict[str, int] = {}
        self._cache: dict[str, tuple[Label, Spelled | None]] = {}

    def __call__(self, field: str, where: str, counts: ColumnCounts) -> Label:
        """Parses a field; None for a missing label.

        Args:
            field: as the file has it.
            where: file and line.
            counts: is updated.
        """
        entry = self._cache.get(field)
        if entry is None:
            labels = field_labels(field, self._separator)
            spelled = None if labels is None else _spelled(labels)
            counts.add_labels(spelled, where)
            label = None if spelled is None else self._label(spelled, counts)
            if len(self._cache) < _MAX_CACHED and len(field) <= _MAX_CACHED_LENGTH:
                self._cache[field] = label, spelled
        else:
            label, spelled = entry
            counts.add_labels(spelled, where)
        if isinstance(label, tuple):
            self.first_several = self.first_several or where
            self.several += 1
        return label

    def _label(self, spelled: Spelled, counts: ColumnCounts) -> Label:
        ids = [self._id(key, counts) for key, _ in spelled]
        return ids[0] if len(ids) == 1 else tuple(sorted(ids))

    def _id(self, key: str, counts: ColumnCounts) -> int:
        if key not in counts.labels:
            return _OTHER
        if key not in self._ids:
            self._ids[key] = len(self.keys)
            self.keys.append(key)
        return self._ids[key]


def _spelled(labels: tuple[str, ...]) -> Spelled:
    return tuple((cut_label(label_key(label)), cut_label(nfc(label))) for label in labels)
