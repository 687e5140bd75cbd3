"""Runs an executor as the launcher does, on Beam's in-process runner."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor, base_executor
from tfx.types import Artifact, Channel, artifact_utils, standard_artifacts

Value = str | int | float | list[int]
BEAM_ARGS = ['--runner=FnApiRunner']


def artifact(kind: type[Artifact], uri: Path, **custom_properties: int | str) -> Artifact:
    made = kind()
    made.uri = str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    for name, value in custom_properties.items():
        if isinstance(value, int):
            made.set_int_custom_property(name, value)
        else:
            made.set_string_custom_property(name, value)
    return made


def run(component: Any, outputs: Path, inputs: dict[str, Artifact] | None = None) -> dict[str, Artifact]:
    """Runs the executor of a component. Returns its output artifacts, one a key, below `outputs`."""
    executor_class = component.executor_spec.executor_class
    context: base_executor.BaseExecutor.Context
    common = {'tmp_dir': f'{outputs / ".tmp"}/', 'unique_id': '1'}
    if issubclass(executor_class, base_beam_executor.BaseBeamExecutor):
        context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=BEAM_ARGS, **common)
    else:
        context = base_executor.BaseExecutor.Context(**common)
    made = {key: [artifact(channel.type, outputs / key)] for key, channel in component.outputs.items()}
    given = {key: [value] for key, value in (inputs or {}).items()}
    properties = {key: value for key, value in component.exec_properties.items() if value is not None}
    executor_class(context).Do(given, made, properties)
    return {key: values[0] for key, values in made.items()}


def write_examples(folder: Path, splits: dict[str, list[dict[str, Value]]]) -> Artifact:
    """An Examples artifact with a file a split; a row is its features' values by name."""
    examples = artifact(standard_artifacts.Examples, folder)
    examples.split_names = artifact_utils.encode_split_names(list(splits))
    for split, rows in splits.items():
        path = folder / f'Split-{split}'
        path.mkdir(parents=True, exist_ok=True)
        options = tf.io.TFRecordOptions(compression_type='GZIP')
        with tf.io.TFRecordWriter(str(path / 'data_tfrecord-00000-of-00001.gz'), options) as writer:
            for row in rows:
                writer.write(_example(row))
    return examples


def _example(row: dict[str, Value]) -> bytes:
    features = {}
    for name, value in row.items():
        if isinstance(value, int | list):
            numbers = value if isinstance(value, list) else [value]
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=numbers))
        elif isinstance(value, float):
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        else:
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def read_split(examples: Artifact, split: str) -> list[dict[str, Value | list[Value]]]:
    """The rows of a split; of a feature with several values all of them."""
    rows = []
    for path in sorted(Path(examples.uri, f'Split-{split}').iterdir()):
        for record in tf.data.TFRecordDataset(str(path), compression_type='GZIP').as_numpy_iterator():
            row: dict[str, Value | list[Value]] = {}
            for name, feature in tf.train.Example.FromString(record).features.feature.items():
                kind = feature.WhichOneof('kind')
                values = [
                    value.decode() if kind == 'bytes_list' else value
                    for value in getattr(feature, kind).value
                ]
                row[name] = values if len(values) > 1 else values[0]
            rows.append(row)
    return rows


def channel(kind: type[Artifact]) -> Channel:
    return Channel(type=kind)
