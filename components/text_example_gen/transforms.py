"""The Beam steps between files and their splits.

files ─ ReadRows ─ rows ─ KeyByText ─ KeepOne ─┬─ ToExample ─ GroupByShard ─ WriteShard    Split-train/…
              └─ counts, errors                └─ CountKept ─ WriteSummary                 ingest.json
"""

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

import apache_beam as beam
import tensorflow as tf
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import Source
from vaiven.components.text_example_gen.opening import open_local
from vaiven.components.text_example_gen.reading import read_source
from vaiven.components.text_example_gen.rows import (
    CLASSES,
    HELD_OUT_LINE,
    SPLITS,
    UNLABELLED_SPLIT,
    Row,
    identity,
    preferred,
    split_of,
)
from vaiven.components.text_example_gen.summary import Summary, conflicts

NAMESPACE = 'vaiven.TextExampleGen'

Counts = dict[str, int]
Shard = tuple[str, int]  # name of the split, number of the file in it
Record = tuple[bytes, bytes]  # identity of the text, serialized tf.Example


class Kept(NamedTuple):
    """The row that stands for all with its text, and how many rows of a file had which label."""

    row: Row
    labels: dict[int | None, int]


def open_anywhere(path: str) -> BinaryIO:
    if '://' not in path:
        return open_local(path)
    stream: Any = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream if hasattr(stream, 'peek') else io.BufferedReader(stream)


@beam.typehints.with_input_types(Source)
@beam.typehints.with_output_types(Row)
class ReadRows(beam.DoFn):
    """Yields the rows of a file that have a text; `counts` and at most one of `errors` go out by the side.

    An error is data here, not an exception: a runner would wrap that in pages of its own.
    """

    COUNTS, ERRORS = 'counts', 'errors'

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        self._rows = beam.metrics.Metrics.counter(NAMESPACE, 'rows')
        self._empty = beam.metrics.Metrics.counter(NAMESPACE, 'empty')

    def process(self, source: Source) -> Iterator[Any]:
        rows = empty = 0
        try:
            for row in read_source(source, self._config, open_anywhere):
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


@beam.typehints.with_input_types(Row)
@beam.typehints.with_output_types(Kept)
class KeepOneFn(beam.CombineFn):
    """Independent of the order in which a runner brings the rows."""

    def create_accumulator(self) -> Kept | None:
        return None

    def add_input(self, accumulator: Kept | None, row: Row) -> Kept | None:
        return self._merge(accumulator, Kept(row, {} if row.origin == HELD_OUT_LINE else {row.label: 1}))

    def merge_accumulators(self, accumulators: Iterable[Kept | None]) -> Kept | None:
        merged: Kept | None = None
        for accumulator in accumulators:
            merged = self._merge(merged, accumulator)
        return merged

    def extract_output(self, accumulator: Kept | None) -> Kept | None:
        return accumulator

    def _merge(self, first: Kept | None, second: Kept | None) -> Kept | None:
        if first is None or second is None:
            return first or second
        labels = dict(first.labels)
        for label, count in second.labels.items():
            labels[label] = labels.get(label, 0) + count
        return Kept(preferred(first.row, second.row), labels)


def key_rows(row: Row, config: DataConfig, more: bool) -> Iterator[tuple[bytes, Row]]:
    """A row under its identity; where there may be `more` text, the lines of a held-out row under theirs as well."""
    key = identity(row.text)
    yield key, row
    if more and '\n' in row.text and split_of(row, key, config) in ('eval', 'test'):
        for line in filter(str.strip, row.text.split('\n')):
            yield identity(line), Row(row.number, '', None, origin=HELD_OUT_LINE)


class RemoveDuplicates(beam.PTransform):
    """Rows → (identity of the text, the row that stands for it).

    Args:
        config: says which rows are held out.
        more: whether there are texts of `--unlabelled`; those that occur in held-out rows go.
    """

    def __init__(self, config: DataConfig, more: bool) -> None:
        super().__init__()
        self._config, self._more = config, more

    def expand(self, rows: beam.PCollection[Row]) -> beam.PCollection[tuple[bytes, Kept]]:
        return (
            rows
            | 'KeyByText'
            >> beam.FlatMap(key_rows, self._config, self._more).with_output_types(tuple[bytes, Row])
            | 'KeepOne' >> beam.CombinePerKey(KeepOneFn()).with_output_types(tuple[bytes, Kept])
        )


def to_example(row: Row) -> bytes:
    """A serialized tf.Example with `text`, and each other feature where the row has it."""
    features = {'text': _bytes(row.text)}
    if row.label is not None:
        features['label'] = _int(row.label)
    if row.group is not None:
        features['group'] = _bytes(row.group)
    if row.language is not None:
        features['language'] = _bytes(row.language)
    if row.rating is not None:
        features['rating'] = tf.train.Feature(float_list=tf.train.FloatList(value=[row.rating]))
    if row.position is not None:
        features['position'] = _int(row.position)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _int(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _bytes(text: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))


@beam.typehints.with_input_types(tuple[bytes, Kept])
@beam.typehints.with_output_types(tuple[Shard, Record])
class ToExample(beam.DoFn):
    """One tf.Example a text, under the file that it belongs to."""

    def __init__(self, config: DataConfig, shards: int) -> None:
        self._config, self._shards = config, shards

    def process(self, element: tuple[bytes, Kept]) -> Iterator[tuple[Shard, Record]]:
        key, kept = element
        if kept.row.origin == HELD_OUT_LINE:
            return
        split = split_of(kept.row, key, self._config)
        yield (split, int.from_bytes(key[8:16], 'big') % self._shards), (key, to_example(kept.row))


@beam.typehints.with_input_types(tuple[Shard, Iterable[Record]])
@beam.typehints.with_output_types(str)
class WriteShard(beam.DoFn):
    """Writes a file whole or not at all, by the texts' hashes: shuffled, yet always the same bytes."""

    def __init__(self, uri: str, shards: int) -> None:
        self._uri, self._shards = uri, shards
        self._written = beam.metrics.Metrics.counter(NAMESPACE, 'written')

    def process(self, element: tuple[Shard, Iterable[Record]]) -> Iterator[str]:
        (split, shard), records = element
        ordered = sorted(record for record in records if record[1])
        folder = os.path.join(self._uri, f'Split-{split}')
        tf.io.gfile.makedirs(folder)
        path = os.path.join(folder, f'data_tfrecord-{shard:05d}-of-{self._shards:05d}.gz')
        with tf.io.TFRecordWriter(f'{path}.part', tf.io.TFRecordOptions(compression_type='GZIP')) as writer:
            for _, example in ordered:
                writer.write(example)
        tf.io.gfile.rename(f'{path}.part', path, overwrite=True)
        self._written.inc(len(ordered))
        yield path


class WriteSplits(beam.PTransform):
    """Writes every file of every split, those of an empty split too: readers of a split want to find one."""

    def __init__(self, uri: str, config: DataConfig, shards: int) -> None:
        super().__init__()
        self._uri, self._config, self._shards = uri, config, shards

    def expand(self, kept: beam.PCollection[tuple[bytes, Kept]]) -> beam.PCollection[str]:
        nothing = [((split, shard), (b'', b'')) for split in SPLITS for shard in range(self._shards)]
        examples = kept | 'ToExample' >> beam.ParDo(ToExample(self._config, self._shards))
        files = kept.pipeline | 'EveryFile' >> beam.Create(nothing).with_output_types(tuple[Shard, Record])
        return (
            (examples, files)
            | 'WithEmptyFiles' >> beam.Flatten()
            | 'GroupByShard' >> beam.GroupByKey()
            | 'WriteShard' >> beam.ParDo(WriteShard(self._uri, self._shards))
        )


def count_kept(element: tuple[bytes, Kept], config: DataConfig) -> Counts:
    key, (row, labels) = element
    if row.origin == HELD_OUT_LINE:
        return {'duplicates': sum(labels.values())}
    counts = {'duplicates': sum(labels.values()) - 1, 'conflicting': conflicts(labels, row.label)}
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


def to_summary(counts: Counts) -> Summary:
    summary = Summary()
    for name, count in counts.items():
        split, _, label = name.partition('/')
        if label == 'texts':
            summary.texts[split] = count
        elif label:
            summary.splits[split][label] = count
        else:
            setattr(summary, name, count)
    return summary
