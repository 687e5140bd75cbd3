"""Models of other kinds: a TensorFlow 1 graph with tables and several tag sets, and text operations."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from raw_clients import Grpc, Rest, predict, values

from vaiven.serving.server.server_process import ServerProcess


@pytest.fixture(scope='module')
def server(other_models: Path) -> Iterator[ServerProcess]:
    config = other_models / 'models.config'
    config.write_text(
        'model_config_list {'
        + ''.join(
            f'config {{ name: "{name}" base_path: "{other_models}/{name}" model_platform: "tensorflow" }}'
            for name in ('tf1', 'words', 'shapeless')
        )
        + '}'
    )
    with ServerProcess('tf1', other_models / 'tf1', flags={'model_config_file': config}) as running:
        yield running


def test_the_meta_graph_with_exactly_the_tags_is_loaded(grpc_client: Grpc, rest: Rest) -> None:
    assert values(grpc_client('Predict', predict('tf1', x=[1.0, 2.0]))) == [-1, -2]
    assert rest('/v1/models/tf1:predict', {'instances': [3]}) == (200, {'predictions': [-3.0]})


def test_text_ops_are_there(grpc_client: Grpc, rest: Rest) -> None:
    texts = np.array(['Ein KURZER Satz', 'ÄÖÜ'.encode()], object)
    answer = grpc_client('Predict', predict('words', texts=texts))
    assert values(answer, 'words') == [[b'ein', b'kurzer', b'satz'], ['äöü'.encode(), b'', b'']]
    assert values(answer, 'count') == [3, 1]
    body = {'inputs': ['Zwei Worte']}
    assert rest('/v1/models/words:predict', body) == (
        200, {'outputs': {'count': [2], 'words': [['zwei', 'worte']]}}
    )  # fmt: skip


def test_inputs_of_any_rank_and_outputs_that_no_input_changes(grpc_client: Grpc, rest: Rest) -> None:
    for x, y in (([2.0], [12]), (2.0, 12), ([[1.0, 2.0]], [[6, 12]])):
        answer = grpc_client('Predict', predict('shapeless', x=x))
        assert values(answer) == y
        assert answer.model_spec.version.value == 123
    assert values(grpc_client('Predict', predict('shapeless', 'constant', x=[5.0]))) == 2
    body = {'signature_name': 'constant', 'inputs': [5.0]}
    assert rest('/v1/models/shapeless/versions/123:predict', body) == (200, {'outputs': 2.0})
    assert rest('/v1/models/shapeless:predict', {'instances': [[1, 2], [3, 4]]}) == (
        200, {'predictions': [[6.0, 12.0], [18.0, 24.0]]}
    )  # fmt: skip
