"""What may be given as a feature of an example, alike over gRPC and REST; no server is needed."""

from typing import Any

import numpy as np
import pytest

from vaiven.serving.client import grpc_flows, rest_flows
from vaiven.serving.client.features import values_of
from vaiven.serving.client.results import Target
from vaiven.serving.client.signatures import Signatures
from vaiven.serving.client.transport import Outputs
from vaiven.serving.common.errors import ServingError


@pytest.mark.parametrize(
    ('value', 'values'),
    [
        ('ñ', ['ñ'.encode()]),
        (np.bytes_(b'a'), [b'a']),
        (['a', b'\xff'], [b'a', b'\xff']),
        (np.array(['a', 'bc']), [b'a', b'bc']),
        (np.int64(2**53 + 1), [2**53 + 1]),
        ([True, 2], [1, 2]),
        (np.arange(3, dtype=np.uint8), [0, 1, 2]),
        ([np.int32(4), 5], [4, 5]),
        (np.float32(0.5), [0.5]),
        ([1, 2.5], [1.0, 2.5]),
        (np.array(7), [7]),
        ([float('inf'), -3e38], [float('inf'), -3e38]),
        ([], []),
    ],
)
def test_a_feature_is_a_list_of_one_kind(value: Any, values: list[Any]) -> None:
    found = values_of('a', value)
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@pytest.mark.parametrize(
    ('value', 'rule'),
    [
        (None, 'Received: NoneType'),
        (['x', 1], 'Received: int, str'),
        (np.zeros((2, 2)), 'flat list of one kind. Received: list'),
        (1j, 'Received: complex'),
        (2**70, '64 bits. Received: 1180591620717411303424'),
        ([0.5, -1e60], r'float of 32 bits. Received: -1e\+60'),
        ('a\ud800', 'not valid UTF-8, at character 2'),
    ],
)
@pytest.mark.parametrize('kind', [grpc_flows, rest_flows])
def test_what_is_none_is_refused_by_name(kind: Any, value: Any, rule: str) -> None:
    for ask in (kind.classify, kind.regress):
        with pytest.raises(ServingError, match=f"feature 'a' .*{rule}"):
            next(ask(Target('m'), [{'a': value}]))


def test_each_kind_travels_over_grpc() -> None:
    call = next(grpc_flows.classify(Target('m'), [{'s': b'\xff', 'i': np.int64(2**53 + 1), 'f': [1, 2.5]}]))
    (example,) = call.request.input.example_list.examples
    found = example.features.feature
    assert list(found['s'].bytes_list.value) == [b'\xff']
    assert list(found['i'].int64_list.value) == [2**53 + 1]
    assert list(found['f'].float_list.value) == [1.0, 2.5]


def test_each_kind_travels_over_rest() -> None:
    features = {'s': ['ñ', b'\xff'], 'i': np.int64(7), 'f': [1, np.float64(2.5)], 'b': b'a'}
    call = next(rest_flows.classify(Target('m'), [features]))
    assert call.request.body['examples'] == [
        {'s': ['ñ', {'b64': '/w=='}], 'i': [7], 'f': [1.0, 2.5], 'b': ['a']}
    ]


@pytest.mark.parametrize(
    ('value', 'rule'),
    [
        (np.complex64(1), 'JSON has no complex numbers'),
        (np.array([np.int64(3)], object), 'takes str and bytes; received: int64'),
        ([None], 'takes str and bytes; received: NoneType'),
        (['\ud800'], 'surrogates not allowed'),
        (np.array(['2020-01-01'], 'datetime64[D]'), 'datetime64'),
    ],
)
def test_what_json_cannot_carry_is_refused(value: Any, rule: str) -> None:
    asking = rest_flows.predict(Target('m'), {'a': value}, Outputs(), Signatures())
    with pytest.raises(ServingError, match=f"input 'a' cannot be made an array: .*{rule}"):
        next(asking)


@pytest.mark.parametrize('target', [Target('\udcff'), Target('m', label=3), Target(7)])  # type: ignore[arg-type]
@pytest.mark.parametrize('kind', [grpc_flows, rest_flows])
def test_names_that_cannot_travel_are_refused(kind: Any, target: Target) -> None:
    with pytest.raises(ServingError, match=r'must be strings of valid UTF-8\. Received: '):
        next(kind.metadata(target))
