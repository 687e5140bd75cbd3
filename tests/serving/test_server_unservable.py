"""Signatures that cannot be served are reported at load; unusual dtypes that a message can carry are served."""

from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from raw_clients import Grpc, Rest, predict, values

from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.saved_model import SavedModel
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.server.session import SessionOptions
from vaiven.serving.wire import messages, tensors

MAX_BYTES = 1 << 20


@pytest.fixture(scope='module')
def server(other_models: Path) -> Iterator[ServerProcess]:
    with ServerProcess('mixed', other_models / 'mixed', flags={'max_request_bytes': MAX_BYTES}) as running:
        yield running


@pytest.mark.parametrize(
    ('name', 'says'), [('python', 'calls a Python function (PyFunc'), ('ragged', 'such as a ragged one')]
)
def test_a_model_without_another_signature_does_not_load(other_models: Path, name: str, says: str) -> None:
    with pytest.raises(StatusError) as caught:
        SavedModel(other_models / name / '1', SessionOptions())
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert says in caught.value.message
    assert '\n' not in caught.value.message


def test_one_that_cannot_be_served_among_others_is_said_at_load(
    server: ServerProcess, grpc_client: Grpc, rest: Rest
) -> None:
    log = server.log_tail()
    assert values(grpc_client('Predict', predict('mixed', 'half', x=[2.0]))) == [3]
    for name, says in (('python', 'calls a Python function'), ('ragged', 'a ragged one')):
        assert f'signature={name}' in log
        inputs = {'text': ['x']} if name == 'ragged' else {'x': [1.0]}
        code, text = grpc_client.error('Predict', predict('mixed', name, **inputs))
        assert code == 'FAILED_PRECONDITION'
        assert says in text
        assert 'Traceback' not in text
        body = {'signature_name': name, 'inputs': inputs}
        status, answer = rest('/v1/models/mixed:predict', body)
        assert (status, says in answer['error']) == (400, True)


def test_integers_of_four_bits_and_quantised_ones_are_served(grpc_client: Grpc, rest: Rest) -> None:
    answer = grpc_client('Predict', predict('mixed', 'int4', x=np.array([7, -8], ml_dtypes.int4)))
    assert values(answer) == [7, -8]
    quantised = np.array([(5,), (-1,)], [('qint8', np.int8)])
    answer = grpc_client('Predict', predict('mixed', 'qint8', x=quantised))
    assert answer.outputs['y'].dtype == messages.DataType.values_by_name['DT_QINT8'].number
    assert tensors.to_array(answer.outputs['y']).tolist() == quantised.tolist()
    status, answer = rest('/v1/models/mixed:predict', {'signature_name': 'qint8', 'inputs': [1]})
    assert (status, answer['error']) == (501, 'Conversion of JSON Value: 1 to type: qint8')


def test_a_tensor_given_in_short_is_limited_as_one_in_full(grpc_client: Grpc) -> None:
    request = predict('mixed', 'half', x=[1.0])
    request.inputs['x'].float_val.append(4.0)
    request.inputs['x'].tensor_content = b''
    size = request.inputs['x'].tensor_shape.dim[0]
    size.size = MAX_BYTES // 8
    answer = grpc_client('Predict', request)
    assert set(values(answer)) == {4.0}
    assert len(values(answer)) == MAX_BYTES // 8
    for size.size in (MAX_BYTES, 1 << 40, 1 << 62):
        code, text = grpc_client.error('Predict', request)
        assert (code, 'larger than' in text or 'too large' in text) == ('INVALID_ARGUMENT', True), text
