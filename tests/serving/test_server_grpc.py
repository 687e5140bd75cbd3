"""gRPC responses, codes and messages are those of TensorFlow Serving."""

from typing import Any

import grpc
import numpy as np
import pytest

from vaiven.serving.wire import messages, tensors


def spec(signature: str = '', *, name: str = 'half', version: int | None = None, label: str = '') -> Any:
    built = messages.ModelSpec(name=name, signature_name=signature)
    if version is not None:
        built.version.value = version
    if label:
        built.version_label = label
    return built


def predict(model_spec: Any, outputs: tuple[str, ...] = (), **inputs: Any) -> Any:
    request = messages.PredictRequest(model_spec=model_spec, output_filter=outputs)
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tensors.to_proto(value))
    return request


def examples(kind: type, signature: str, *values: float) -> Any:
    request = kind(model_spec=spec(signature))
    for value in values:
        example = request.input.example_list.examples.add()
        example.features.feature['x'].float_list.value.append(value)
    return request


def test_predict_answers_with_typed_values_and_the_resolved_spec(grpc_client) -> None:
    answer = grpc_client('Predict', predict(spec(), x=[2.0, 5.0]))
    assert list(answer.outputs['y'].float_val) == [3.0, 4.5]
    assert answer.outputs['y'].tensor_content == b''
    assert (answer.model_spec.name, answer.model_spec.version.value) == ('half', 1)
    assert answer.model_spec.signature_name == 'serving_default'
    assert answer.model_spec.WhichOneof('version_choice') == 'version'


def test_strings_and_several_outputs(grpc_client) -> None:
    answer = grpc_client('Predict', predict(spec('upper'), text=['año', b'\xff\x00']))
    assert tensors.to_array(answer.outputs['upper']).tolist() == ['AñO'.encode(), b'\xff\x00']
    assert tensors.to_array(answer.outputs['raw_bytes']).tolist() == ['año'.encode(), b'\xff\x00']


def test_scalars_and_matrices(grpc_client) -> None:
    request = predict(spec('add'), matrix=np.array([[1, 2], [3, 4]], np.int32), number=np.int64(10))
    answer = grpc_client('Predict', request)
    assert tensors.to_array(answer.outputs['sum']).tolist() == [[11, 12], [13, 14]]
    assert tensors.to_array(answer.outputs['total']).tolist() == 10


def test_shapes_are_left_to_the_graph(grpc_client) -> None:
    answer = grpc_client('Predict', predict(spec(), x=[[2.0], [4.0]]))
    assert tensors.to_array(answer.outputs['y']).tolist() == [[3.0], [4.0]]


def test_output_filter_picks_outputs(grpc_client) -> None:
    answer = grpc_client('Predict', predict(spec('upper'), ('upper',), text=['a']))
    assert list(answer.outputs) == ['upper']


@pytest.mark.parametrize(
    ('request_', 'code', 'text'),
    [
        (messages.PredictRequest(), 'INVALID_ARGUMENT', 'Missing ModelSpec'),
        (predict(spec(name='')), 'INVALID_ARGUMENT', 'ModelSpec has no name specified.'),
        (predict(spec(name='no')), 'NOT_FOUND', 'Servable not found for request: Latest(no)'),
        (predict(spec(version=9)), 'NOT_FOUND', 'Servable not found for request: Specific(half, 9)'),
        (predict(spec(label='x')), 'INVALID_ARGUMENT', 'Unrecognized servable version label: x'),
        (predict(spec('s')), 'FAILED_PRECONDITION', 'Serving signature key "s" not found.'),
        (predict(spec('s', version=9)), 'NOT_FOUND', 'Servable not found for request: Specific(half, 9)'),
        (
            predict(spec(), x=[1.0], z=[1.0]),
            'INVALID_ARGUMENT',
            'input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. '
            'Missing but required: {}.',
        ),
        (
            predict(spec()),
            'INVALID_ARGUMENT',
            'input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. '
            'Missing but required: {x}.',
        ),
        (
            predict(spec(), ('n',), x=[1.0]),
            'INVALID_ARGUMENT',
            'output tensor alias not found in signature: n Outputs expected to be in the set {y}.',
        ),
        (predict(spec(), ('y', 'y'), x=[1.0]), 'INVALID_ARGUMENT', 'duplicate output tensor alias: y'),
    ],
)
def test_predict_errors(grpc_client, request_: Any, code: str, text: str) -> None:
    assert grpc_client.error('Predict', request_) == (code, text)


def test_a_wrong_input_name_is_named(grpc_client) -> None:
    code, text = grpc_client.error('Predict', predict(spec(), z=[1.0]))
    assert code == 'INVALID_ARGUMENT'
    assert text.startswith('Signature input alias: x(feed name: serving_default_x:0) not found in request')


def test_a_wrong_dtype_is_tensorflows_own_error(grpc_client) -> None:
    code, text = grpc_client.error('Predict', predict(spec(), x=['text']))
    assert code == 'INVALID_ARGUMENT'
    assert 'actual string vs. expect float' in text


def test_a_wrong_shape_is_tensorflows_own_error(grpc_client) -> None:
    request = predict(spec('classify'), inputs=[['nested']])
    assert grpc_client.error('Predict', request)[0] == 'INVALID_ARGUMENT'


def test_a_tensor_that_is_none_is_refused(grpc_client) -> None:
    request = predict(spec(), x=[1.0])
    request.inputs['x'].tensor_content = b'123'
    code, text = grpc_client.error('Predict', request)
    assert code == 'INVALID_ARGUMENT'
    assert 'tensor_content of 3 bytes' in text


def test_a_tensor_that_would_take_all_memory_is_refused(grpc_client) -> None:
    request = predict(spec(), x=[1.0])
    request.inputs['x'].tensor_shape.dim[0].size = 1 << 40
    assert grpc_client.error('Predict', request)[0] == 'INVALID_ARGUMENT'


def test_bytes_that_are_not_a_request_are_refused(grpc_client) -> None:
    call = grpc_client.channel.unary_unary('/tensorflow.serving.PredictionService/Predict')
    with pytest.raises(grpc.RpcError) as caught:
        call(b'\xff\xff\xff', timeout=10)
    assert caught.value.code() is grpc.StatusCode.INTERNAL


def test_a_request_above_the_limit_is_refused_and_the_next_answered(grpc_client) -> None:
    request = predict(spec(), x=np.zeros(17 << 20, np.float32))
    assert grpc_client.error('Predict', request)[0] == 'RESOURCE_EXHAUSTED'
    assert grpc_client('Predict', predict(spec(), x=[2.0])).outputs['y'].float_val == [3.0]


def test_a_deadline_ends_the_call_and_not_the_server(grpc_client) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        grpc_client('Predict', predict(spec('slow'), seconds=[1.0]), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert grpc_client('Predict', predict(spec(), x=[2.0])).outputs['y'].float_val == [3.0]


def test_classify_gives_labels_and_scores(grpc_client) -> None:
    answer = grpc_client('Classify', examples(messages.ClassificationRequest, 'classify', 0.25, 1.0))
    rows = [[(c.label, c.score) for c in row.classes] for row in answer.result.classifications]
    assert rows == [[('low', 0.75), ('high', 0.25)], [('low', 0.0), ('high', 1.0)]]
    assert answer.model_spec.signature_name == 'classify'


def test_context_is_shared_by_all_examples(grpc_client) -> None:
    request = messages.RegressionRequest(model_spec=spec('regress'))
    shared = request.input.example_list_with_context
    shared.context.features.feature['x'].float_list.value.append(3.0)
    shared.examples.add()
    shared.examples.add().features.feature['x'].float_list.value.append(4.0)
    answer = grpc_client('Regress', request)
    assert [row.value for row in answer.result.regressions] == [6.0, 8.0]


@pytest.mark.parametrize(
    ('method', 'request_', 'text'),
    [
        (
            'Classify',
            examples(messages.ClassificationRequest, 'none', 1.0),
            'No signature was found with the name: none',
        ),
        ('Classify', examples(messages.ClassificationRequest, 'classify'), 'Input is empty.'),
    ],
)
def test_classify_and_regress_errors(grpc_client, method: str, request_: Any, text: str) -> None:
    assert grpc_client.error(method, request_) == ('INVALID_ARGUMENT', text)


def test_the_error_for_another_form_of_signature_names_what_is_missing(grpc_client) -> None:
    code, text = grpc_client.error('Classify', examples(messages.ClassificationRequest, 'regress', 1.0))
    assert code == 'FAILED_PRECONDITION'
    assert 'outputs to contain at least one of "classes" or "scores"' in text
    code, text = grpc_client.error('Regress', examples(messages.RegressionRequest, '', 1.0))
    assert code == 'FAILED_PRECONDITION'
    assert text.startswith('No regression inputs found in SignatureDef: ')


def multi(*tasks: tuple[str, str]) -> Any:
    request = messages.MultiInferenceRequest()
    for signature, method in tasks:
        request.tasks.add(model_spec=spec(signature), method_name=f'tensorflow/serving/{method}')
    request.input.example_list.examples.add().features.feature['x'].float_list.value.append(0.5)
    return request


def test_multi_inference_answers_task_by_task(grpc_client) -> None:
    answer = grpc_client('MultiInference', multi(('regress', 'regress'), ('classify', 'classify')))
    assert answer.results[0].regression_result.regressions[0].value == 1.0
    assert answer.results[1].classification_result.classifications[0].classes[1].score == 0.5
    assert [result.model_spec.signature_name for result in answer.results] == ['regress', 'classify']


@pytest.mark.parametrize(
    ('request_', 'code', 'text'),
    [
        (
            multi(('regress', 'regress'), ('regress', 'regress')),
            'INVALID_ARGUMENT',
            'Duplicate evaluation of signature: regress',
        ),
        (multi(('no', 'regress')), 'INVALID_ARGUMENT', 'Requested signature not found in model graph: no'),
        (multi(('regress', 'predict')), 'UNIMPLEMENTED', 'tensorflow/serving/predict'),
    ],
)
def test_multi_inference_errors(grpc_client, request_: Any, code: str, text: str) -> None:
    found, details = grpc_client.error('MultiInference', request_)
    assert found == code
    assert text in details


def test_metadata_has_every_signature(grpc_client) -> None:
    request = messages.GetModelMetadataRequest(model_spec=spec(), metadata_field=['signature_def'])
    answer = grpc_client('GetModelMetadata', request)
    signatures = messages.SignatureDefMap()
    assert answer.metadata['signature_def'].Unpack(signatures)
    assert {'serving_default', 'upper', 'add', 'classify', '__saved_model_init_op'} <= set(
        signatures.signature_def
    )
    assert answer.model_spec == spec(version=1)


@pytest.mark.parametrize(
    ('fields', 'text'),
    [
        ([], 'GetModelMetadataRequest must specify at least one metadata_field'),
        (['other'], 'Metadata field other is not supported'),
    ],
)
def test_metadata_errors(grpc_client, fields: list[str], text: str) -> None:
    request = messages.GetModelMetadataRequest(model_spec=spec(), metadata_field=fields)
    assert grpc_client.error('GetModelMetadata', request) == ('INVALID_ARGUMENT', text)


def test_status_ignores_labels_and_knows_versions(grpc_client) -> None:
    for model_spec in (spec(), spec(version=1), spec(label='any')):
        answer = grpc_client('GetModelStatus', messages.GetModelStatusRequest(model_spec=model_spec))
        (status,) = answer.model_version_status
        assert (status.version, status.state) == (1, messages.ModelVersionStatus.AVAILABLE)
        assert status.HasField('status')


@pytest.mark.parametrize(
    ('model_spec', 'text'),
    [
        (spec(name='no'), 'Could not find any versions of model no'),
        (spec(version=9), 'Could not find version 9 of model half'),
    ],
)
def test_status_of_an_unknown_model_or_version(grpc_client, model_spec: Any, text: str) -> None:
    request = messages.GetModelStatusRequest(model_spec=model_spec)
    assert grpc_client.error('GetModelStatus', request) == ('NOT_FOUND', text)


def test_health_is_serving(grpc_client) -> None:
    for service in ('', 'PredictionService'):
        answer = grpc_client('Check', messages.HealthCheckRequest(service=service))
        assert answer.status == messages.HealthCheckResponse.SERVING
    assert grpc_client.error('Check', messages.HealthCheckRequest(service='other'))[0] == 'NOT_FOUND'
