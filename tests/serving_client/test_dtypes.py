"""Plain numbers and lists get the dtypes of the signature; arrays keep theirs; answers have those of the metadata."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vaiven.serving.client import Client, InvalidRequestError
from vaiven.serving.errors import ServingError
from vaiven.serving.process import ServerProcess

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
