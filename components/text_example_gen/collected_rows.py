"""All rows of the data, as far as they are needed to find the classes and to count the rows by split and class."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vaiven.components.text_example_gen import label_check
from vaiven.components.text_example_gen.column_counts import ColumnCounts, cut_label
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.field_parsers import RatingParser
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.label_detection import resolve_labels
from vaiven.components.text_example_gen.label_parsers import LabelIds
from vaiven.components.text_example_gen.probabilities import ProbabilityParser
from vaiven.components.text_example_gen.reading import read_data
from vaiven.components.text_example_gen.row_parser import RowParser
from vaiven.components.text_example_gen.rows import (
    UNLABELLED_SPLIT,
    Label,
    Row,
    assign_split,
    indices,
    latest,
    majority_label,
    most_held_out,
    split_of_time,
    text_fingerprint,
)
from vaiven.components.text_example_gen.summary import Summary
from vaiven.components.text_example_gen.time_split import find_boundaries

# What decides the split of a row: the split itself, or a time.
Place = str | float | None


class KeptRow(NamedTuple):
    """What is kept of the rows with one text.

    Attributes:
        label: index or indices of the classes.
        place: decides the split.
        labels: label → number of rows; empty if there is one row.
    """

    label: Label
    place: Place
    labels: Mapping[Label, int]


_ONE_ROW: Mapping[Label, int] = {}


class CollectedRows:
    """The rows of `--data`, one for each text, with ids of labels instead of classes.

    Args:
        files: the files of the run.
        config: columns, labels and splits.

    Raises:
        DataError: if a file cannot be read.
    """

    def __init__(self, files: DataFiles, config: DataConfig) -> None:
        self._files, self._config = files, config
        self._has_labels = config.label_column is not None and not files.is_running_text
        self._is_by_time = config.time_column is not None and not files.is_running_text
        self._is_by_column = self._is_by_time or config.split_column is not None
        finds_several = config.label_kind == 'auto' and config.finds_classes()
        is_multilabel = config.label_kind == 'multilabel' or finds_several
        self._ids = LabelIds(config.label_separator if is_multilabel else '')
        self._probabilities = ProbabilityParser(config.probabilities_column, None)
        self._columns = ColumnCounts()
        self._rows = self._empty = self._duplicates = 0
        # Fingerprint of a text → label and place of its first row.
        self._first: dict[bytes, tuple[Label, Place]] = {}
        # For texts with two or more rows: fingerprint → label → place of the first row with it, number of rows.
        self._repeated: dict[bytes, dict[Label, tuple[Place, int]]] = {}
        # Rows by label and sign of the rating.
        self._ratings: Counter[tuple[Label, bool]] = Counter()
        self._group_places: dict[bytes, set[Place]] = {}
        # Fingerprints of a line and of its row, to find those of held-out rows among the rows of a teacher.
        self._lines: list[tuple[bytes, bytes]] = []
        parse = RowParser(config, self._columns, self._ids, self._probabilities)
        for row in read_data(files, config, parse):
            self._add(row)

    @property
    def several(self) -> int:
        """Number of rows with several labels, or an empty list."""
        return self._ids.several

    def resolve(self) -> DataConfig:
        """Finds kind and classes of the labels, and the times at which the splits start.

        Raises:
            DataError: if the labels are no classes, or do not fit what the configuration sets.
        """
        config, name = self._config, self._files.name
        if self._has_labels:
            label_check.require_keys(self._columns, config, name)
            label_check.require_classes(self._columns, config, name)
            config = self._resolve_labels(config)
            label_check.require_rating(self._columns, config, name)
            self._probabilities.require_fit(config.label_spec())
        if self._is_by_time and not config.time_boundaries:
            times = [
                row.place
                for row in self._kept(config)
                if self._is_split(row) and isinstance(row.place, float)
            ]
            boundaries = find_boundaries(times, config, name)
            config = dataclasses.replace(config, time_boundaries=boundaries)
        return config

    def summarize(self, config: DataConfig) -> Summary:
        """Counts the rows by split and class.

        Args:
            config: the result of `resolve`.
        """
        summary = Summary.of(config.label_spec())
        summary.rows, summary.empty, summary.duplicates = self._rows, self._empty, self._duplicates
        summary.columns = self._columns
        self._count_ratings(config)
        rows: Counter[tuple[Label, Place]] = Counter()
        for label, place, labels in self._kept(config):
            rows[label, place] += 1
            if len(labels) > 1:
                summary.add_conflicting(labels, label)
        for (label, place), count in rows.items():
            is_split = label is not None or not self._has_labels
            summary.add_kept(label, self._split(place, config) if is_split else UNLABELLED_SPLIT, count)
        return summary

    def splits(self, config: DataConfig) -> tuple[dict[bytes, str], frozenset[bytes]]:
        """Fingerprint of each text → its split, and the fingerprints of the lines of held-out texts.

        Args:
            config: the result of `resolve`.
        """
        kept = zip(self._first, self._kept(config), strict=True)
        splits = {
            fingerprint: self._split(row.place, config) if self._is_split(row) else UNLABELLED_SPLIT
            for fingerprint, row in kept
        }
        lines = frozenset(line for line, text in self._lines if splits[text] in ('eval', 'test'))
        return splits, lines

    def split_groups(self, config: DataConfig) -> int:
        """Number of groups with rows in several splits.

        Args:
            config: the result of `resolve`.
        """
        return sum(
            len({self._split(place, config) for place in places} - {UNLABELLED_SPLIT}) > 1
            for places in self._group_places.values()
        )

    def _add(self, row: Row) -> None:
        self._rows += 1
        if not row.text.strip():
            self._empty += 1
            return
        fingerprint = text_fingerprint(row.text)
        if self._files.teacher and '\n' in row.text:
            lines = filter(str.strip, row.text.split('\n'))
            self._lines += [(text_fingerprint(line), fingerprint) for line in lines]
        place: Place = row.time if self._is_by_time else assign_split(row, fingerprint, self._config)
        if row.rating:
            self._ratings[row.label, row.rating > 0] += 1
        if self._is_by_column and row.group is not None:
            self._group_places.setdefault(text_fingerprint(row.group), set()).add(place)
        if fingerprint not in self._first:
            self._first[fingerprint] = row.label, place
            return
        self._duplicates += 1
        labels = self._repeated.get(fingerprint)
        if labels is None:
            label, first_place = self._first[fingerprint]
            labels = self._repeated[fingerprint] = {label: (first_place, 1)}
        first_place, rows = labels.get(row.label, (place, 0))
        labels[row.label] = first_place, rows + 1
        if self._is_by_column:
            # All rows of the text are where the most held-out one is.
            label, kept_place = self._first[fingerprint]
            self._first[fingerprint] = label, _later(kept_place, place)

    def _resolve_labels(self, config: DataConfig) -> DataConfig:
        name = self._files.name
        found = resolve_labels(self._columns.labels, config, self._ids.several > 0, name)
        label_check.require_one_kind(found, self._ids.several, self._ids.first_several)
        if config.min_class_rows == 1 or found.is_sentiment() or not config.finds_classes() or config.classes:
            return found
        rows = Counter(
            index for row in self._kept(found) if self._is_split(row) for index in indices(row.label)
        )
        rare = [index for index in range(len(found.classes)) if rows[index] < config.min_class_rows]
        if not rare:
            return found
        keys = [key for key, index in found.label_classes().items() if index in rare]
        left_out = tuple(key for key in keys if key in self._columns.labels)
        config = dataclasses.replace(config, unlabelled_labels=(*config.unlabelled_labels, *left_out))
        label_check.require_classes(self._columns, config, name)
        return resolve_labels(self._columns.labels, config, self._ids.several > 0, name)

    def _kept(self, config: DataConfig) -> Iterator[KeptRow]:
        """What is kept of each text, with the classes of a configuration."""
        classes = {cut_label(key): index for key, index in config.label_classes().items()}
        of_id = [classes.get(key) for key in self._ids.keys] + [None]  # the last one is that of id -1
        is_multilabel = config.label_kind == 'multilabel'
        translated: dict[Label, Label] = {}

        def label_of(label: Label) -> Label:
            if label not in translated:
                found = sorted({index for number in indices(label) if (index := of_id[number]) is not None})
                if is_multilabel:
                    translated[label] = tuple(found) if found or label == () else None
                else:
                    translated[label] = found[0] if found else None
            return translated[label]

        for fingerprint, (first_label, first_place) in self._first.items():
            repeated = self._repeated.get(fingerprint)
            if repeated is None:
                yield KeptRow(label_of(first_label), first_place, _ONE_ROW)
                continue
            places: dict[Label, Place] = {}
            rows: dict[Label, int] = {}
            for number, (place, count) in repeated.items():
                label = label_of(number)
                places.setdefault(label, place)
                rows[label] = rows.get(label, 0) + count
            label = majority_label(rows)
            yield KeptRow(label, first_place if self._is_by_column else places[label], rows)

    def _is_split(self, row: KeptRow) -> bool:
        return row.label is not None or not self._has_labels

    def _split(self, place: Place, config: DataConfig) -> str:
        return place if isinstance(place, str) else split_of_time(place, config.time_boundaries)

    def _count_ratings(self, config: DataConfig) -> None:
        """Counts whether labels and ratings agree, of two classes."""
        if config.label_kind not in ('auto', 'binary'):
            return
        classes = config.label_classes()
        of_id = [classes.get(key) for key in self._ids.keys] + [None]
        for (label, is_positive), rows in self._ratings.items():
            if isinstance(label, int):
                self._columns.add_rating(of_id[label], 1.0 if is_positive else -1.0, rows)
        if (
            config.is_sentiment()
            and self._config.finds_classes()
            and config.rating_column == config.label_column
        ):
            # While the rows were read, these might have been ordered classes.
            parse = RatingParser(config)
            for key, count in self._columns.labels.items():
                self._columns.add_rating(classes[key], parse(count.spelling, count.where), count.rows)


def _later(first: Place, second: Place) -> Place:
    """Of two places of one text, the one that is held out."""
    if isinstance(first, str) or isinstance(second, str):
        return most_held_out(_split_name(first), _split_name(second))
    return latest(first, second)


def _split_name(place: Place) -> str | None:
    return place if isinstance(place, str) and place != UNLABELLED_SPLIT else None
