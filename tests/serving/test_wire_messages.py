"""The messages are those of TensorFlow on the wire: every field, number, type and label."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.protobuf import error_codes_pb2, saved_model_pb2

from vaiven.serving.wire import messages, tensors

UPSTREAM = [
    *(
        f'tensorflow_serving.apis.{name}_pb2'
        for name in (
            'model', 'input', 'classification', 'regression', 'inference', 'predict', 'get_model_metadata',
            'get_model_status', 'model_management', 'logging', 'prediction_log', 'status',
        )
    ),
    *(
        f'tensorflow_serving.config.{name}_pb2'
        for name in (
            'file_system_storage_path_source', 'log_collector_config', 'logging_config',
            'model_server_config',
        )
    ),
    'tensorflow.core.framework.tensor_pb2',
    'tensorflow.core.framework.tensor_shape_pb2',
    'tensorflow.core.framework.types_pb2',
    'tensorflow.core.example.example_pb2',
    'tensorflow.core.example.feature_pb2',
    'tensorflow.core.protobuf.meta_graph_pb2',
    'tensorflow.core.protobuf.saved_model_pb2',
]  # fmt: skip


def upstream_descriptors() -> tuple[dict[str, Any], dict[str, Any]]:
    found: dict[str, Any] = {}
    enums: dict[str, Any] = {}

    def add(message: Any) -> None:
        found[message.full_name] = message
        enums.update((enum.full_name, enum) for enum in message.enum_types)
        for nested in message.nested_types:
            add(nested)

    for name in UPSTREAM:
        file = importlib.import_module(name).DESCRIPTOR
        for message in file.message_types_by_name.values():
            add(message)
        enums.update((enum.full_name, enum) for enum in file.enum_types_by_name.values())
    enums['tensorflow.error.Code'] = error_codes_pb2.Code.DESCRIPTOR
    return found, enums


def our_files() -> Iterator[Any]:
    for name in (
        'tensor', 'example', 'saved_model', 'prediction_service', 'model_service', 'status', 'prediction_log',
    ):  # fmt: skip
        yield messages.pool.FindFileByName(f'{name}.proto')


def our_messages() -> Iterator[Any]:
    def walk(message: Any) -> Iterator[Any]:
        yield message
        for nested in message.nested_types:
            yield from walk(nested)

    for file in our_files():
        for message in file.message_types_by_name.values():
            yield from walk(message)


def facts(field: Any) -> tuple[Any, ...]:
    kind = field.message_type or field.enum_type
    group = field.containing_oneof
    return (
        field.number, field.type, field.label, field.is_packed, kind.full_name if kind else None,
        group.name if group else None,
    )  # fmt: skip


def test_every_field_is_upstreams() -> None:
    upstream, _ = upstream_descriptors()
    compared = 0
    for message in our_messages():
        theirs = upstream[message.full_name]
        for field in message.fields:
            assert facts(field) == facts(theirs.fields_by_name[field.name]), field.full_name
            compared += 1
    assert compared > 150


def test_every_enum_value_is_upstreams() -> None:
    _, upstream = upstream_descriptors()
    enums = [enum for message in our_messages() for enum in message.enum_types]
    for file in our_files():
        enums += file.enum_types_by_name.values()
    for enum in enums:
        theirs = upstream[enum.full_name].values_by_name
        assert {value.name: value.number for value in enum.values} == {
            value.name: theirs[value.name].number for value in enum.values
        }
    assert len(enums) >= 6


@pytest.mark.parametrize('name', ['PredictionService', 'ModelService'])
def test_methods_are_those_of_the_generated_stubs(name: str) -> None:
    source = {'PredictionService': 'prediction_service', 'ModelService': 'model_service'}[name]
    spec = importlib.util.find_spec(f'tensorflow_serving.apis.{source}_pb2_grpc')
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin, encoding='utf-8') as file:
        text = file.read()
    for method in messages.service(f'tensorflow.serving.{name}').methods:
        assert f"'/tensorflow.serving.{name}/{method.name}'" in text


@pytest.mark.parametrize(
    'value',
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array(2.5),
        np.array([True, False]),
        np.array([1, 2], np.uint16),
        np.array([1 + 2j], np.complex64),
        np.array([b'a', 'ñ'.encode()], object),
        np.zeros((0, 3), np.int64),
        np.array([1.5, 2], np.float16),
    ],
)
def test_tensors_agree_with_tensorflow_both_ways(value: np.ndarray) -> None:
    theirs = tf.make_tensor_proto(value)
    ours = messages.TensorProto.FromString(theirs.SerializeToString())
    np.testing.assert_array_equal(tensors.to_array(ours), value)
    for typed in (False, True):
        sent = tensors.to_proto(value, typed=typed).SerializeToString()
        np.testing.assert_array_equal(tf.make_ndarray(type(theirs).FromString(sent)), value)


def test_any_of_a_signature_map_is_read_by_tensorflow_servings_own_classes() -> None:
    answer = messages.GetModelMetadataResponse()
    signatures = messages.SignatureDefMap()
    signatures.signature_def['serving_default'].inputs['x'].name = 'x:0'
    answer.metadata['signature_def'].Pack(signatures)
    metadata = importlib.import_module('tensorflow_serving.apis.get_model_metadata_pb2')
    read = metadata.GetModelMetadataResponse.FromString(answer.SerializeToString()).metadata['signature_def']
    assert isinstance(read, any_pb2.Any)
    unpacked = metadata.SignatureDefMap()
    assert read.Unpack(unpacked)
    assert unpacked.signature_def['serving_default'].inputs['x'].name == 'x:0'


def test_signatures_of_a_saved_model_are_read_without_its_graph() -> None:
    theirs = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    graph = theirs.meta_graphs.add()
    graph.meta_info_def.tags.append('serve')
    graph.graph_def.node.add(name='n', op='NoOp')
    graph.signature_def['s'].outputs['y'].name = 'y:0'
    ours = messages.SavedModel.FromString(theirs.SerializeToString())
    assert list(ours.meta_graphs[0].meta_info_def.tags) == ['serve']
    assert ours.meta_graphs[0].signature_def['s'].outputs['y'].name == 'y:0'


def test_the_import_loads_no_tensorflow() -> None:
    code = (
        'import sys; from vaiven.serving.wire import messages, tensors; '
        "sys.exit(any(name.split('.')[0] in ('tensorflow', 'keras', 'ml_dtypes') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
