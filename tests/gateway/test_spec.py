"""The model of a request, found in its bytes, and the label that is added to them."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from vaiven.serving.gateway import model_spec
from vaiven.serving.wire import messages, tensors

CLASSES = [
    messages.PredictRequest,
    messages.ClassificationRequest,
    messages.RegressionRequest,
    messages.GetModelMetadataRequest,
]
NAMES = st.one_of(
    st.sampled_from(['críticas', 'cri\u0301ticas', '😀', 'نقد', 'reviews', 'ñ' * 300]), st.text(min_size=1)
)


def predict(name: str, **choice: Any) -> Any:
    request = messages.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = 'embed'
    if 'version' in choice:
        request.model_spec.version.value = choice['version']
    if 'label' in choice:
        request.model_spec.version_label = choice['label']
    request.inputs['text'].CopyFrom(tensors.to_proto(['¿qué?', '']))
    request.inputs['k'].CopyFrom(tensors.to_proto([3]))
    request.output_filter.append('embedding')
    return request


@given(NAMES, st.sampled_from(['canary', 'stable', 'año', '😀', 'x' * 200]))
def test_a_label_is_added_and_nothing_else_changes(name: str, label: str) -> None:
    request = predict(name)
    data = request.SerializeToString()
    assert model_spec.read(data) == (name.encode(), False)
    changed = messages.PredictRequest.FromString(model_spec.with_label(data, label))
    request.model_spec.version_label = label
    assert changed == request


@pytest.mark.parametrize('kind', CLASSES)
def test_all_requests_with_one_model_are_understood(kind: Any) -> None:
    request = kind()
    request.model_spec.name = 'ñu'
    changed = kind.FromString(model_spec.with_label(request.SerializeToString(), 'canary'))
    assert (changed.model_spec.name, changed.model_spec.version_label) == ('ñu', 'canary')


@pytest.mark.parametrize('choice', [{'version': 2}, {'version': 0}, {'label': 'stable'}, {'label': ''}])
def test_a_caller_that_chose_is_seen_to_have_chosen(choice: Any) -> None:
    assert model_spec.read(predict('reviews', **choice).SerializeToString()) == (b'reviews', True)


def test_a_model_spec_in_pieces_and_in_any_place_is_read_as_protobuf_does() -> None:
    first = messages.PredictRequest(model_spec=messages.ModelSpec(name='one')).SerializeToString()
    second = messages.PredictRequest(model_spec=messages.ModelSpec(name='two')).SerializeToString()
    chosen = messages.PredictRequest(model_spec=messages.ModelSpec(version_label='a')).SerializeToString()
    other = messages.PredictRequest(output_filter=['x'] * 50).SerializeToString()
    assert model_spec.read(other + first + second) == (b'two', False)
    assert model_spec.read(first + other + chosen) == (b'one', True)
    assert model_spec.read(other) is None


@given(NAMES, st.integers(1, 3))
def test_the_first_task_of_several_gets_the_label(name: str, count: int) -> None:
    request = messages.MultiInferenceRequest()
    for number in range(count):
        task = request.tasks.add(method_name='tensorflow/serving/classify')
        task.model_spec.name = name
        task.model_spec.signature_name = str(number)
    data = request.SerializeToString()
    assert model_spec.read_first_task(data) == (name.encode(), False)
    changed = messages.MultiInferenceRequest.FromString(model_spec.with_label_in_first_task(data, 'canary'))
    request.tasks[0].model_spec.version_label = 'canary'
    assert changed == request


def test_requests_without_a_task_are_left_alone() -> None:
    assert model_spec.read_first_task(messages.MultiInferenceRequest().SerializeToString()) is None


# Bytes as they come from a fault: parts of real requests, cut, joined, and changed.
REAL = (
    predict('reviews', label='canary').SerializeToString() + predict('x', version=1 << 60).SerializeToString()
)
BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.integers(0, len(REAL)), min_size=2, max_size=4).map(
        lambda cuts: b''.join(REAL[start:] for start in cuts)[: max(cuts)]
    ),
    st.tuples(st.integers(0, len(REAL) - 1), st.binary(min_size=1, max_size=3)).map(
        lambda change: REAL[: change[0]] + change[1] + REAL[change[0] + len(change[1]) :]
    ),
)


@given(BYTES)
def test_any_bytes_are_understood_as_protobuf_understands_them_or_left_alone(data: bytes) -> None:
    found = model_spec.read(data)
    model_spec.read_first_task(data)
    try:
        request = messages.PredictRequest.FromString(data)
    except DecodeError:
        return
    if found is None:
        return
    assert found.name == request.model_spec.name.encode()
    assert found.names_version == (request.model_spec.WhichOneof('version_choice') is not None)
    changed = messages.PredictRequest.FromString(model_spec.with_label(data, 'canary'))
    request.model_spec.version_label = 'canary'
    assert changed.model_spec == request.model_spec


@given(BYTES)
def test_a_request_that_is_none_does_not_become_one(data: bytes) -> None:
    found = model_spec.read_first_task(data)
    try:
        messages.MultiInferenceRequest.FromString(data)
    except DecodeError:
        if found is not None:
            with pytest.raises(DecodeError):
                messages.MultiInferenceRequest.FromString(model_spec.with_label_in_first_task(data, 'canary'))


def test_a_message_of_nothing_but_fields_is_left_alone() -> None:
    real = predict('reviews').SerializeToString()
    assert model_spec.read(real + b'\x1a\x00' * (model_spec.MAX_FIELDS - 10)) == (b'reviews', False)
    assert model_spec.read(real + b'\x1a\x00' * model_spec.MAX_FIELDS) is None
