"""The Beam steps that write rows to the files of their splits."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import tensorflow as tf

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.output_names import OutputNames
from vaiven.components.text_example_gen.rows import HELD_OUT_LINE, Row, assign_split, indices
from vaiven.components.text_example_gen.transforms import NAMESPACE, DeduplicatedRow
from vaiven.label_spec import NO_CLASS

Shard = tuple[str, int]  # name of the split, number of the file in it
Record = tuple[bytes, bytes]  # fingerprint of the text, serialized tf.Example


def to_example(row: Row, names: OutputNames) -> bytes:
    """Serializes a row as a tf.Example with the feature `text`, and the other features that the row has.

    Args:
        row: the row.
        names: names of the features.
    """
    features = {'text': _bytes(row.text)}
    if row.label is not None:
        features['label'] = _int(*(indices(row.label) or (NO_CLASS,)))
    if row.group is not None:
        features['group'] = _bytes(row.group)
    if row.language is not None:
        features['language'] = _bytes(row.language)
    if row.rating is not None:
        features['rating'] = _float(row.rating)
    if row.probabilities is not None:
        features['probabilities'] = _float(*row.probabilities)
    if row.position is not None:
        features['position'] = _int(row.position)
    named = {names.feature(default): feature for default, feature in features.items()}
    example = tf.train.Example(features=tf.train.Features(feature=named))
    return bytes(example.SerializeToString(deterministic=True))


def _int(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _float(*values: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(text: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))


@beam.typehints.with_input_types(tuple[bytes, DeduplicatedRow])
@beam.typehints.with_output_types(tuple[Shard, Record])
class ToExample(beam.DoFn):
    """Serializes rows, keyed by the shard that they belong to.

    Args:
        config: sizes of the splits.
        names: names of the splits and features.
        shards: number of files per split.
    """

    def __init__(self, config: DataConfig, names: OutputNames, shards: int) -> None:
        self._config, self._names, self._shards = config, names, shards

    def process(self, element: tuple[bytes, DeduplicatedRow]) -> Iterator[tuple[Shard, Record]]:
        fingerprint, kept = element
        if kept.row.origin == HELD_OUT_LINE:
            return
        split = self._names.split(assign_split(kept.row, fingerprint, self._config))
        # Other bytes than those that choose the split.
        shard = int.from_bytes(fingerprint[8:16], 'big') % self._shards
        yield (split, shard), (fingerprint, to_example(kept.row, self._names))


@beam.typehints.with_input_types(tuple[Shard, Iterable[Record]])
@beam.typehints.with_output_types(str)
class WriteShard(beam.DoFn):
    """Writes a file completely or not at all, sorted by fingerprint: shuffled, yet reproducible to the byte.

    Args:
        uri: folder of the artifact.
        shards: number of files per split.
    """

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
    """Writes every file of every split. Empty splits get files too: readers of a split require one.

    Args:
        uri: folder of the artifact.
        config: sizes of the splits.
        names: names of the splits and features.
        shards: number of files per split.
        splits: their default names.
    """

    def __init__(
        self, uri: str, config: DataConfig, names: OutputNames, shards: int, splits: Sequence[str]
    ) -> None:
        super().__init__()
        self._uri, self._config, self._names, self._shards = uri, config, names, shards
        self._splits = splits

    def expand(self, kept: beam.PCollection[tuple[bytes, DeduplicatedRow]]) -> beam.PCollection[str]:
        # A record without an example creates the file.
        empty = [
            ((self._names.split(split), shard), (b'', b''))
            for split in self._splits
            for shard in range(self._shards)
        ]
        examples = kept | 'ToExample' >> beam.ParDo(ToExample(self._config, self._names, self._shards))
        files = kept.pipeline | 'CreateFiles' >> beam.Create(empty).with_output_types(tuple[Shard, Record])
        paths: beam.PCollection[str] = (
            (examples, files)
            | 'AddEmptyFiles' >> beam.Flatten()
            | 'GroupByShard' >> beam.GroupByKey()
            | 'WriteShard' >> beam.ParDo(WriteShard(self._uri, self._shards))
        )
        return paths
