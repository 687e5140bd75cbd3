"""Reads the metrics of an evaluation from the files of TensorFlow Model Analysis, without importing that library."""

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tfrecords import Records


def metrics(evaluation: Path) -> dict[str, float]:
    """Reads the scalar metrics over all held-out rows; slices are ignored.

    Args:
        evaluation: output folder of TensorFlow Model Analysis.

    Returns:
        The values by metric name; empty if the folder no longer exists.

    Raises:
        ServingError: a file is damaged, or cannot be read.
    """
    values = {}
    for path in sorted(evaluation.glob('metrics-*.tfrecord')):
        with Records(path) as records:
            while (record := records.next()) is not None:
                try:
                    message = _metrics_class().FromString(record)
                except DecodeError as error:
                    raise ServingError(f'{path} is damaged: a record is not a MetricsForSlice') from error
                if message.slice_key.slices:
                    continue
                for metric in message.metrics:
                    key = metric.key
                    # With a baseline, the file also holds the baseline's metrics and the differences to it.
                    is_candidate = key.model_name in ('', 'candidate') and not key.is_diff
                    if is_candidate and metric.value.HasField('number'):
                        values[key.name] = metric.value.number.value
    return values


@cache
def _metrics_class() -> Any:
    """Returns a message class with the needed fields of MetricsForSlice.

    The definition is repeated here because TensorFlow Model Analysis takes seconds to import.
    https://github.com/tensorflow/model-analysis/blob/master/tensorflow_model_analysis/proto/metrics_for_slice.proto
    """
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name='metrics.proto', package='metrics', syntax='proto3')

    def message(name: str, *fields: tuple[int, str, int | str, bool]) -> None:
        message_type = file.message_type.add(name=name)
        for number, label, kind, repeated in fields:
            message_type.field.add(
                name=label,
                number=number,
                type=kinds.TYPE_MESSAGE if isinstance(kind, str) else kind,
                type_name=f'.metrics.{kind}' if isinstance(kind, str) else None,
                label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
            )

    message('Number', (1, 'value', kinds.TYPE_DOUBLE, False))
    message('Value', (1, 'number', 'Number', False))
    message(
        'Key',
        (1, 'name', kinds.TYPE_STRING, False),
        (4, 'model_name', kinds.TYPE_STRING, False),
        (5, 'is_diff', kinds.TYPE_BOOL, False),
    )
    message('KeyAndValue', (1, 'key', 'Key', False), (2, 'value', 'Value', False))
    message('SliceKey', (1, 'slices', kinds.TYPE_BYTES, True))
    message('Metrics', (1, 'slice_key', 'SliceKey', False), (51, 'metrics', 'KeyAndValue', True))
    pool = DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName('metrics.Metrics'))
