"""Plain numbers and lists get the dtypes of the signature; arrays keep theirs; answers have those of the metadata."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vaiven.serving.client import Client, InvalidRequestError, Signature, TensorSpec, grpc_flows
from vaiven.serving.client.results import Metadata, Target
from vaiven.serving.client.signatures import Signatures
from vaiven.serving.client.transport import Outputs
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import dtypes, tensors

PLAIN = {
    'int8': [-128, 127], 'int32': 5, 'int64': [[1], [2**40]], 'uint8': [255], 'float32': [1, 2.5],
    'float64': 0.1, 'bool': [True, False],
}  # fmt: skip


def test_numbers_and_lists_get_the_dtypes_of_the_signature(client: Client) -> None:
    answer = client.predict('reviews', PLAIN, signature='numbers')
    assert {name.removesuffix('_again'): array.dtype.name for name, array in answer.items()} == {
        name: name for name in PLAIN
    }
    assert {name.removesuffix('_again'): array.tolist() for name, array in answer.items()} == PLAIN


def test_an_empty_list_has_the_dtype_of_the_signature_too(client: Client) -> None:
    answer = client.predict('reviews', {'n': []}, signature='count')['again']
    assert (answer.dtype, answer.shape) == (np.int64, (0,))
    assert client.predict('reviews', {'text': []})['label'].tolist() == []


def test_arrays_keep_their_dtypes(server: ServerProcess) -> None:
    with Client(server.grpc_address) as client:
        answer = client.predict('reviews', {'n': np.array([3], np.int64)}, signature='count')
        assert answer['again'].tolist() == [3]
        with pytest.raises(InvalidRequestError, match='int64'):
            client.predict('reviews', {'n': np.array([3], np.int32)}, signature='count')


@pytest.mark.parametrize(
    ('value', 'why'),
    [([1, [2]], 'inhomogeneous'), (2**70, 'int|large'), ([1, 'ñ'], 'of expected type|mismatch')],
)
def test_what_is_no_array_of_the_dtype_is_refused_by_name(client: Client, value: Any, why: str) -> None:
    with pytest.raises(ServingError, match=why):
        client.predict('reviews', {'n': value}, signature='count')


def test_a_number_is_never_rounded_without_a_word(client: Client) -> None:
    for value in (1.5, [1, 2.5]):
        with pytest.raises(InvalidRequestError):
            client.predict('reviews', {'n': value}, signature='count')


def as_sent(dtype: str, value: Any) -> np.ndarray[Any, Any]:
    """What gRPC carries for an input of `dtype`; the server is not there."""
    known, target = Signatures(), Target('m')
    spec = {'x': TensorSpec(dtype, None)}
    known.put(target, Metadata(1, {'serving_default': Signature(spec, {}, '')}))
    return tensors.to_array(
        next(grpc_flows.predict(target, {'x': value}, Outputs(), known)).request.inputs['x']
    )


@pytest.mark.parametrize(
    ('dtype', 'value', 'kept'),
    [
        ('DT_FLOAT', [16777216], [16777216.0]),
        ('DT_FLOAT', [[0.1], [-(2**100)]], np.float32([[0.1], [-(2**100)]]).tolist()),
        ('DT_FLOAT', [float('inf'), 1, float('-inf')], [float('inf'), 1.0, float('-inf')]),
        ('DT_FLOAT', 3.4028234663852886e38, 3.4028234663852886e38),
        ('DT_FLOAT', 2**70, float(2**70)),
        ('DT_HALF', [0.1, 65504], np.float16([0.1, 65504]).tolist()),
        ('DT_DOUBLE', [2**53, 1e308], [float(2**53), 1e308]),
        ('DT_UINT8', [255, True], [255, 1]),
        ('DT_UINT64', 2**64 - 1, 2**64 - 1),
        ('DT_COMPLEX64', [1, 2j], [1, 2j]),
        ('DT_BOOL', [True, False], [True, False]),
        ('DT_STRING', [], []),
    ],
)
def test_a_number_that_fits_is_kept(dtype: str, value: Any, kept: Any) -> None:
    sent = as_sent(dtype, value)
    assert sent.tolist() == kept
    assert dtypes.kind_of_array(sent).name == dtype


@pytest.mark.parametrize(
    ('dtype', 'value', 'wrong'),
    [
        ('DT_FLOAT', [1, 16777217], '16777217'),
        ('DT_FLOAT', [1.0, -1e60], '-1e[+]60'),
        ('DT_FLOAT', [float('nan'), 1e60], '1e[+]60'),
        ('DT_FLOAT', 10**39, str(10**39)),
        ('DT_FLOAT', [1, None], 'None'),
        ('DT_HALF', [2049], '2049'),
        ('DT_HALF', [70000], '70000'),
        ('DT_DOUBLE', 2**53 + 1, str(2**53 + 1)),
        ('DT_INT8', [300], '300'),
        ('DT_UINT8', [[1], [-1]], '-1'),
        ('DT_COMPLEX64', [1e60j], '1e[+]60j'),
    ],
)
def test_a_number_that_does_not_fit_is_refused(dtype: str, value: Any, wrong: str) -> None:
    with pytest.raises(ServingError, match=f"input 'x' is of {dtype}, which cannot hold {wrong}: give"):
        as_sent(dtype, value)


def test_a_nan_is_kept() -> None:
    assert np.isnan(as_sent('DT_FLOAT', [1.5, float('nan')])).tolist() == [False, True]


@pytest.mark.parametrize(('dtype', 'value'), [('DT_BOOL', [True, 2]), ('DT_FLOAT', [1.5, '2'])])
def test_what_is_of_another_kind_is_the_servers_to_judge(dtype: str, value: Any) -> None:
    assert dtypes.kind_of_array(as_sent(dtype, value)).name != dtype


def test_the_metadata_is_asked_for_once_and_again_when_the_version_changes(
    pushed: Path, tmp_path: Path
) -> None:
    base = tmp_path / 'reviews'
    shutil.copytree(pushed / '2', base / '2')
    with ServerProcess('reviews', base) as server, Client(server.grpc_address) as client:
        sent = []
        send = client._transport.send

        def noting(call: Any, *rest: Any) -> Any:
            sent.append(call.method)
            return send(call, *rest)

        client._transport.send = noting  # type: ignore[method-assign]
        client.predict('reviews', {'text': ['g']})
        assert sent == ['Predict']
        for _ in range(3):
            assert client.predict('reviews', {'n': [7]}, signature='count')['again'].dtype == np.int64
        assert sent == ['Predict', 'GetModelMetadata', *['Predict'] * 3]
        shutil.copytree(pushed / '3', tmp_path / 'coming' / '3')
        (tmp_path / 'coming' / '3').rename(base / '3')
        client.wait_until_available('reviews', version=3, timeout=60)
        sent.clear()
        assert client.predict('reviews', {'n': [7]}, signature='count')['again'].dtype == np.float64
        assert sent == ['Predict', 'GetModelMetadata', 'Predict']
        client.predict('reviews', {'n': [7]}, signature='count')
        assert sent[3:] == ['Predict']
        with pytest.raises(InvalidRequestError):  # is asked about once more, and then believed
            client.predict('reviews', {'m': [7]}, signature='count')
