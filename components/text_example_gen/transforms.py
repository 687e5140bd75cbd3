"""The Beam steps between files and their splits.

files ─ ReadRows ─ rows ─ KeyByFingerprint ─ Deduplicate ─┬─ ToExample ─ GroupByShard ─ WriteShard    Split-train/…
              └─ counts, columns, errors                  └─ CountRows ─ WriteSummary                 ingest.json
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import Source
from vaiven.components.text_example_gen.local_files import open_local
from vaiven.components.text_example_gen.reading import read_source
from vaiven.components.text_example_gen.row_parser import RowParser
from vaiven.components.text_example_gen.rows import (
    DATA,
    HELD_OUT_LINE,
    TEACHER,
    UNLABELLED,
    UNLABELLED_SPLIT,
    Label,
    Row,
    assign_split,
    indices,
    is_unlabelled,
    latest,
    majority_label,
    most_held_out,
    text_fingerprint,
)
from vaiven.components.text_example_gen.summary import Summary
from vaiven.label_spec import LabelSpec

NAMESPACE = 'vaiven.TextExampleGen'

Counts = dict[str, int]


class DeduplicatedRow(NamedTuple):
    """The row that is kept of all rows with one text.

    Attributes:
        row: the row. Its split is the most held-out one of all rows with this text, and its time the latest.
        labels: label → number of rows of files with this text, without those of a teacher.
        teacher: number of rows of a teacher with this text.
    """

    row: Row
    labels: dict[Label, int]
    teacher: int = 0


class DuplicateAccumulator(NamedTuple):
    """The rows with one text, as far as they are needed to choose one.

    Attributes:
        rows: label → first row with it.
        labels: label → number of rows of files with it, without those of a teacher.
        teacher: number of rows of a teacher.
    """

    rows: dict[Label, Row]
    labels: dict[Label, int]
    teacher: int = 0


def open_anywhere(path: str) -> BinaryIO:
    """Opens a local path, or an address that Beam's file systems know."""
    if '://' not in path:
        return open_local(path)
    stream: Any = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream if hasattr(stream, 'peek') else io.BufferedReader(stream)


@beam.typehints.with_input_types(Source)
@beam.typehints.with_output_types(Row)
class ReadRows(beam.DoFn):
    """Yields the rows of a file that have text; the side outputs get counts and at most one error.

    Errors are elements, not exceptions: a runner would wrap an exception in pages of its own messages.
    """

    COUNTS, COLUMNS, ERRORS = 'counts', 'columns', 'errors'

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        # Only ratings of two classes can contradict the label, and not if they are the label.
        self._has_contradictions = config.label_kind in ('auto', 'binary') and (
            config.is_sentiment() or config.rating_column != config.label_column
        )
        self._rows = beam.metrics.Metrics.counter(NAMESPACE, 'rows')
        self._empty = beam.metrics.Metrics.counter(NAMESPACE, 'empty')

    def process(self, source: Source) -> Iterator[Any]:
        rows = empty = 0
        columns = ColumnCounts()
        try:
            for row in read_source(source, self._config, open_anywhere, RowParser(self._config, columns)):
                rows += 1
                if self._has_contradictions:
                    columns.add_rating(row.label, row.rating)
                if row.text.strip():
                    yield row
                else:
                    empty += 1
        except DataError as error:
            yield beam.pvalue.TaggedOutput(self.ERRORS, (source.number, str(error)))
        self._rows.inc(rows)
        self._empty.inc(empty)
        prefix = 'teacher/' if source.kind == 'teacher' else ''
        yield beam.pvalue.TaggedOutput(self.COUNTS, {f'{prefix}rows': rows, f'{prefix}empty': empty})
        yield beam.pvalue.TaggedOutput(self.COLUMNS, (source.number, columns))


@beam.typehints.with_input_types(Row)
@beam.typehints.with_output_types(DeduplicatedRow)
class DeduplicateFn(beam.CombineFn):
    """Keeps the first row with the majority label, whatever the order in which a runner delivers the rows."""

    def create_accumulator(self) -> DuplicateAccumulator:
        return DuplicateAccumulator({}, {})

    def add_input(self, accumulator: DuplicateAccumulator, row: Row) -> DuplicateAccumulator:
        labels = {} if row.origin in (HELD_OUT_LINE, TEACHER) else {row.label: 1}
        return self._merge(
            accumulator, DuplicateAccumulator({row.label: row}, labels, int(row.origin == TEACHER))
        )

    def merge_accumulators(self, accumulators: Iterable[DuplicateAccumulator]) -> DuplicateAccumulator:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged = self._merge(merged, accumulator)
        return merged

    def extract_output(self, accumulator: DuplicateAccumulator) -> DeduplicatedRow:
        rows, labels, teacher = accumulator
        in_order = sorted(labels, key=lambda label: rows[label].number)
        row = rows[majority_label({label: labels[label] for label in in_order})]
        for other in rows.values():
            row = _held_out(row, other)
        return DeduplicatedRow(row, labels, teacher)

    def _merge(self, first: DuplicateAccumulator, second: DuplicateAccumulator) -> DuplicateAccumulator:
        rows, labels = dict(first.rows), dict(first.labels)
        for label, row in second.rows.items():
            earlier, later = sorted((rows.get(label, row), row), key=lambda row: (row.origin, row.number))
            rows[label] = _held_out(earlier, later)
        for label, count in second.labels.items():
            labels[label] = labels.get(label, 0) + count
        return DuplicateAccumulator(rows, labels, first.teacher + second.teacher)


def _held_out(row: Row, other: Row) -> Row:
    """A row with the split and the time of another row with the same text, if they hold it out."""
    if row.split == other.split and row.time == other.time:
        return row
    return row._replace(split=most_held_out(row.split, other.split), time=latest(row.time, other.time))


def key_by_fingerprint(row: Row, config: DataConfig, has_more: bool) -> Iterator[tuple[bytes, Row]]:
    """Keys a row by the fingerprint of its text; also the lines of a held-out row, if the run reads more files.

    Args:
        row: the row.
        config: sizes of the splits.
        has_more: whether the run reads `--unlabelled` or `--teacher` files. They must not repeat held-out text.
    """
    fingerprint = text_fingerprint(row.text)
    if has_more and row.origin == DATA and row.probabilities is None and is_unlabelled(row, config):
        # What a teacher says about it is worth more.
        row = row._replace(origin=UNLABELLED)
    yield fingerprint, row
    if has_more and '\n' in row.text and assign_split(row, fingerprint, config) in ('eval', 'test'):
        for line in filter(str.strip, row.text.split('\n')):
            yield text_fingerprint(line), Row(row.number, '', None, origin=HELD_OUT_LINE)


class RemoveDuplicates(beam.PTransform[Any, Any]):
    """Rows → (fingerprint of a text, the row that is kept of all rows with it).

    Args:
        config: sizes of the splits.
        has_more: whether the run reads `--unlabelled` or `--teacher` files; their texts that occur in held-out rows are
            dropped.
    """

    def __init__(self, config: DataConfig, has_more: bool) -> None:
        super().__init__()
        self._config, self._has_more = config, has_more

    def expand(self, rows: beam.PCollection[Row]) -> beam.PCollection[tuple[bytes, DeduplicatedRow]]:
        kept: beam.PCollection[tuple[bytes, DeduplicatedRow]] = (
            rows
            | 'KeyByFingerprint'
            >> beam.FlatMap(key_by_fingerprint, self._config, self._has_more).with_output_types(
                tuple[bytes, Row]
            )
            | 'Deduplicate'
            >> beam.CombinePerKey(DeduplicateFn()).with_output_types(tuple[bytes, DeduplicatedRow])
        )
        return kept


def count_row(element: tuple[bytes, DeduplicatedRow], config: DataConfig) -> Counts:
    """The counts that a kept row adds to the summary.

    Args:
        element: fingerprint of the text, and the row that is kept.
        config: sizes of the splits.

    Returns:
        Counts by name: those of the attributes of `Summary`, `<split>/texts`, `<split>/rows`, by index of a class
        `<split>/<index>` and `conflicting/<index>`, and `teacher/<name>` by the names of `Summary.teacher`.
    """
    fingerprint, (row, labels, teacher) = element
    split = assign_split(row, fingerprint, config)
    duplicates = sum(labels.values())
    if row.origin == TEACHER:
        return {'duplicates': duplicates, 'teacher/kept': 1, 'teacher/duplicates': teacher - 1}
    is_held_out = row.origin == HELD_OUT_LINE or split in ('eval', 'test')
    counts = {f'teacher/{"held_out" if is_held_out else "labelled"}': teacher} if teacher else {}
    if row.origin == HELD_OUT_LINE:
        return {**counts, 'duplicates': duplicates}
    counts['duplicates'] = duplicates - 1
    for label, rows in labels.items():
        if label is not None and label != row.label:
            for name in ('conflicting', *(f'conflicting/{index}' for index in indices(label))):
                counts[name] = counts.get(name, 0) + rows
    if split == UNLABELLED_SPLIT:
        return {**counts, 'unlabelled': 1}
    if row.label is None:
        return {**counts, f'{split}/texts': 1}
    return {**counts, **{f'{split}/{name}': 1 for name in ('rows', *indices(row.label))}}


@beam.typehints.with_input_types(Counts)
@beam.typehints.with_output_types(Counts)
class AddCountsFn(beam.CombineFn):
    """Adds counts by name."""

    def create_accumulator(self) -> Counts:
        return Counter()

    def add_input(self, accumulator: Counts, counts: Counts) -> Counts:
        for name, count in counts.items():
            accumulator[name] += count
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        merged: Counts = Counter()
        for accumulator in accumulators:
            self.add_input(merged, accumulator)
        return merged

    def extract_output(self, accumulator: Counts) -> Counts:
        return dict(accumulator)


def to_summary(counts: Counts, columns: Iterable[tuple[int, ColumnCounts]], spec: LabelSpec) -> Summary:
    """Builds the summary of a run.

    Args:
        counts: counts of all rows, by the names of `count_row`.
        columns: (number of the file, counts of its columns) for each file.
        spec: kind and classes of the labels.
    """
    summary = Summary.of(spec)
    for _, file_counts in sorted(columns, key=lambda item: item[0]):
        summary.columns.merge(file_counts)
    for name, count in counts.items():
        part, _, label = name.partition('/')
        if part == 'teacher':
            summary.teacher[label] = count
        elif label == 'texts':
            summary.texts[part] = count
        elif label == 'rows':
            summary.labelled_by_split[part] = count
        elif label:
            by_class = summary.conflicting_by_class if part == 'conflicting' else summary.splits[part]
            by_class[spec.classes[int(label)]] = count
        else:
            setattr(summary, name, count)
    return summary
