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
from vaiven.components.text_example_gen.rows import (
    CLASSES,
    HELD_OUT_LINE,
    UNLABELLED_SPLIT,
    Row,
    assign_split,
    majority_label,
    text_fingerprint,
)
from vaiven.components.text_example_gen.summary import Summary, conflicting_rows

NAMESPACE = 'vaiven.TextExampleGen'

Counts = dict[str, int]


class DeduplicatedRow(NamedTuple):
    """The row that is kept of all rows with one text.

    Attributes:
        row: the row.
        labels: label → number of rows of files with this text.
    """

    row: Row
    labels: dict[int | None, int]


class DuplicateAccumulator(NamedTuple):
    """The rows with one text, as far as they are needed to choose one.

    Attributes:
        rows: label → first row with it.
        labels: label → number of rows of files with it.
    """

    rows: dict[int | None, Row]
    labels: dict[int | None, int]


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
        self._rows = beam.metrics.Metrics.counter(NAMESPACE, 'rows')
        self._empty = beam.metrics.Metrics.counter(NAMESPACE, 'empty')

    def process(self, source: Source) -> Iterator[Any]:
        rows = empty = 0
        columns = ColumnCounts()
        try:
            for row in read_source(source, self._config, open_anywhere, columns):
                rows += 1
                if row.text.strip():
                    yield row
                else:
                    empty += 1
        except DataError as error:
            yield beam.pvalue.TaggedOutput(self.ERRORS, (source.number, str(error)))
        self._rows.inc(rows)
        self._empty.inc(empty)
        yield beam.pvalue.TaggedOutput(self.COUNTS, {'rows': rows, 'empty': empty})
        yield beam.pvalue.TaggedOutput(self.COLUMNS, (source.number, columns))


@beam.typehints.with_input_types(Row)
@beam.typehints.with_output_types(DeduplicatedRow)
class DeduplicateFn(beam.CombineFn):
    """Keeps the first row with the majority label, whatever the order in which a runner delivers the rows."""

    def create_accumulator(self) -> DuplicateAccumulator:
        return DuplicateAccumulator({}, {})

    def add_input(self, accumulator: DuplicateAccumulator, row: Row) -> DuplicateAccumulator:
        labels = {} if row.origin == HELD_OUT_LINE else {row.label: 1}
        return self._merge(accumulator, DuplicateAccumulator({row.label: row}, labels))

    def merge_accumulators(self, accumulators: Iterable[DuplicateAccumulator]) -> DuplicateAccumulator:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged = self._merge(merged, accumulator)
        return merged

    def extract_output(self, accumulator: DuplicateAccumulator) -> DeduplicatedRow:
        rows, labels = accumulator
        in_order = sorted(labels, key=lambda label: rows[label].number)
        return DeduplicatedRow(rows[majority_label({label: labels[label] for label in in_order})], labels)

    def _merge(self, first: DuplicateAccumulator, second: DuplicateAccumulator) -> DuplicateAccumulator:
        rows, labels = dict(first.rows), dict(first.labels)
        for label, row in second.rows.items():
            rows[label] = min(rows.get(label, row), row, key=lambda row: (row.origin, row.number))
        for label, count in second.labels.items():
            labels[label] = labels.get(label, 0) + count
        return DuplicateAccumulator(rows, labels)


def key_by_fingerprint(row: Row, config: DataConfig, has_unlabelled: bool) -> Iterator[tuple[bytes, Row]]:
    """Keys a row by the fingerprint of its text; also the lines of a held-out row, if there are `--unlabelled` files.

    Args:
        row: the row.
        config: sizes of the splits.
        has_unlabelled: whether the run reads `--unlabelled` files. Their lines must not repeat held-out text.
    """
    fingerprint = text_fingerprint(row.text)
    yield fingerprint, row
    if has_unlabelled and '\n' in row.text and assign_split(row, fingerprint, config) in ('eval', 'test'):
        for line in filter(str.strip, row.text.split('\n')):
            yield text_fingerprint(line), Row(row.number, '', None, origin=HELD_OUT_LINE)


class RemoveDuplicates(beam.PTransform[Any, Any]):
    """Rows → (fingerprint of a text, the row that is kept of all rows with it).

    Args:
        config: sizes of the splits.
        has_unlabelled: whether the run reads `--unlabelled` files; their texts that occur in held-out rows are dropped.
    """

    def __init__(self, config: DataConfig, has_unlabelled: bool) -> None:
        super().__init__()
        self._config, self._has_unlabelled = config, has_unlabelled

    def expand(self, rows: beam.PCollection[Row]) -> beam.PCollection[tuple[bytes, DeduplicatedRow]]:
        kept: beam.PCollection[tuple[bytes, DeduplicatedRow]] = (
            rows
            | 'KeyByFingerprint'
            >> beam.FlatMap(key_by_fingerprint, self._config, self._has_unlabelled).with_output_types(
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
        Counts by name: `duplicates`, `unlabelled`, `<split>/texts`, `<split>/<class>`, `conflicting/<class>`.
    """
    fingerprint, (row, labels) = element
    if row.origin == HELD_OUT_LINE:
        return {'duplicates': sum(labels.values())}
    counts = {'duplicates': sum(labels.values()) - 1}
    for name, rows in conflicting_rows(labels, row.label).items():
        counts[f'conflicting/{name}'] = rows
    split = assign_split(row, fingerprint, config)
    if split == UNLABELLED_SPLIT:
        return {**counts, 'unlabelled': 1}
    return {**counts, f'{split}/{"texts" if row.label is None else CLASSES[row.label]}': 1}


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


def to_summary(counts: Counts, columns: Iterable[tuple[int, ColumnCounts]]) -> Summary:
    """Builds the summary of a run.

    Args:
        counts: counts of all rows, by the names of `count_row`.
        columns: (number of the file, counts of its columns) for each file.
    """
    summary = Summary()
    for _, file_counts in sorted(columns, key=lambda item: item[0]):
        summary.columns.merge(file_counts)
    for name, count in counts.items():
        part, _, label = name.partition('/')
        if part == 'conflicting':
            summary.conflicting_by_class[label] = count
        elif label == 'texts':
            summary.texts[part] = count
        elif label:
            summary.splits[part][label] = count
        else:
            setattr(summary, name, count)
    return summary
