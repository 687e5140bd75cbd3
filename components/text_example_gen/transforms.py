"""The Beam steps between files and their splits.

files ─ ReadRows ─ rows ─ KeyByText ─ KeepOne ─┬─ ToExample ─ GroupByShard ─ WriteShard    Split-train/…
              └─ counts, columns, errors       └─ CountKept ─ WriteSummary                 ingest.json
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
    elected,
    identity,
    split_of,
)
from vaiven.components.text_example_gen.summary import Summary, outvoted

NAMESPACE = 'vaiven.TextExampleGen'

Counts = dict[str, int]


class Kept(NamedTuple):
    """The row that stands for all with its text, and how many rows of a file had which label."""

    row: Row
    labels: dict[int | None, int]


class Candidates(NamedTuple):
    """Of the rows with one text, the first with each label, and how many rows of a file had which label."""

    rows: dict[int | None, Row]
    labels: dict[int | None, int]


def open_anywhere(path: str) -> BinaryIO:
    if '://' not in path:
        return open_local(path)
    stream: Any = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream if hasattr(stream, 'peek') else io.BufferedReader(stream)


@beam.typehints.with_input_types(Source)
@beam.typehints.with_output_types(Row)
class ReadRows(beam.DoFn):
    """Yields the rows of a file that have a text; the side outputs get counts and at most one error.

    An error is data here, not an exception: a runner would wrap that in pages of its own.
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
@beam.typehints.with_output_types(Kept)
class KeepOneFn(beam.CombineFn):
    """Keeps the first row with the label of most; independent of the order in which a runner brings the rows."""

    def create_accumulator(self) -> Candidates:
        return Candidates({}, {})

    def add_input(self, accumulator: Candidates, row: Row) -> Candidates:
        labels = {} if row.origin == HELD_OUT_LINE else {row.label: 1}
        return self._merge(accumulator, Candidates({row.label: row}, labels))

    def merge_accumulators(self, accumulators: Iterable[Candidates]) -> Candidates:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged = self._merge(merged, accumulator)
        return merged

    def extract_output(self, accumulator: Candidates) -> Kept:
        rows, labels = accumulator
        in_order = sorted(labels, key=lambda label: rows[label].number)
        return Kept(rows[elected({label: labels[label] for label in in_order})], labels)

    def _merge(self, first: Candidates, second: Candidates) -> Candidates:
        rows, labels = dict(first.rows), dict(first.labels)
        for label, row in second.rows.items():
            rows[label] = min(rows.get(label, row), row, key=lambda row: (row.origin, row.number))
        for label, count in second.labels.items():
            labels[label] = labels.get(label, 0) + count
        return Candidates(rows, labels)


def key_rows(row: Row, config: DataConfig, more: bool) -> Iterator[tuple[bytes, Row]]:
    """A row under its identity; where there may be `more` text, the lines of a held-out row under theirs as well."""
    key = identity(row.text)
    yield key, row
    if more and '\n' in row.text and split_of(row, key, config) in ('eval', 'test'):
        for line in filter(str.strip, row.text.split('\n')):
            yield identity(line), Row(row.number, '', None, origin=HELD_OUT_LINE)


class RemoveDuplicates(beam.PTransform[Any, Any]):
    """Rows → (identity of the text, the row that stands for it).

    Args:
        config: says which rows are held out.
        more: whether there are texts of `--unlabelled`; those that occur in held-out rows go.
    """

    def __init__(self, config: DataConfig, more: bool) -> None:
        super().__init__()
        self._config, self._more = config, more

    def expand(self, rows: beam.PCollection[Row]) -> beam.PCollection[tuple[bytes, Kept]]:
        kept: beam.PCollection[tuple[bytes, Kept]] = (
            rows
            | 'KeyByText'
            >> beam.FlatMap(key_rows, self._config, self._more).with_output_types(tuple[bytes, Row])
            | 'KeepOne' >> beam.CombinePerKey(KeepOneFn()).with_output_types(tuple[bytes, Kept])
        )
        return kept


def count_kept(element: tuple[bytes, Kept], config: DataConfig) -> Counts:
    key, (row, labels) = element
    if row.origin == HELD_OUT_LINE:
        return {'duplicates': sum(labels.values())}
    counts = {'duplicates': sum(labels.values()) - 1}
    for name, rows in outvoted(labels, row.label).items():
        counts[f'outvoted/{name}'] = rows
    split = split_of(row, key, config)
    if split == UNLABELLED_SPLIT:
        return {**counts, 'unlabelled': 1}
    return {**counts, f'{split}/{"texts" if row.label is None else CLASSES[row.label]}': 1}


@beam.typehints.with_input_types(Counts)
@beam.typehints.with_output_types(Counts)
class AddCountsFn(beam.CombineFn):
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
    """The summary of a run.

    Args:
        counts: of all rows, by the names that `count_kept` gives them.
        columns: number of a file, and what was counted in it.
    """
    summary = Summary()
    for _, of_file in sorted(columns, key=lambda item: item[0]):
        summary.columns.merge(of_file)
    for name, count in counts.items():
        part, _, label = name.partition('/')
        if part == 'outvoted':
            summary.outvoted[label] = count
        elif label == 'texts':
            summary.texts[part] = count
        elif label:
            summary.splits[part][label] = count
        else:
            setattr(summary, name, count)
    return summary
