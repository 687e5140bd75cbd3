"""The Beam steps from rows to the files of their splits."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.rows import HELD_OUT_LINE, SPLITS, Row, split_of
from vaiven.components.text_example_gen.transforms import NAMESPACE, Kept

Shard = tuple[str, int]  # name of the split, number of the file in it
Record = tuple[bytes, bytes]  # identity of the text, serialized tf.Example


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
    return bytes(example.SerializeToString(deterministic=True))


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


class WriteSplits(beam.PTransform[Any, Any]):
    """Writes every file of every split, those of an empty split too: readers of a split want to find one."""

    def __init__(self, uri: str, config: DataConfig, shards: int) -> None:
        super().__init__()
        self._uri, self._config, self._shards = uri, config, shards

    def expand(self, kept: beam.PCollection[tuple[bytes, Kept]]) -> beam.PCollection[str]:
        nothing = [((split, shard), (b'', b'')) for split in SPLITS for shard in range(self._shards)]
        examples = kept | 'ToExample' >> beam.ParDo(ToExample(self._config, self._shards))
        files = kept.pipeline | 'EveryFile' >> beam.Create(nothing).with_output_types(tuple[Shard, Record])
        paths: beam.PCollection[str] = (
            (examples, files)
            | 'WithEmptyFiles' >> beam.Flatten()
            | 'GroupByShard' >> beam.GroupByKey()
            | 'WriteShard' >> beam.ParDo(WriteShard(self._uri, self._shards))
        )
        return paths
