"""Models of other makes: a graph of TensorFlow 1 with tables and several sets of tags, and text ops."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from asking import Grpc, Rest, predict, values

from vaiven.serving.process import ServerProcess


@pytest.fixture(scope='module')
def server(other_models: Path) -> Iterator[ServerProcess]:
    config = other_models / 'models.config'
    config.write_text(
        'model_config_list {'
        + ''.join(
            f'config {{ name: "{name}" base_path: "{other_models}/{name}" model_platform: "tensorflow" }}'
            for name in ('tf1', 'words')
        )
        + '}'
    )
    with ServerProcess('tf1', other_models / 'tf1', flags={'model_config_file': config}) as running:
        yield running


def test_the_meta_graph_with_exactly_the_tags_is_loaded(ask: Grpc, rest: Rest) -> None:
    assert values(ask('Predict', predict('tf1', x=[1.0, 2.0]))) == [-1, -2]
    assert rest('/v1/models/tf1:predict', {'instances': [3]}) == (200, {'predictions': [-3.0]})


def test_text_ops_are_there(ask: Grpc, rest: Rest) -> None:
    texts = np.array(['Ein KURZER Satz', 'ÄÖÜ'.encode()], object)
    answer = ask('Predict', predict('words', texts=texts))
    assert values(answer, 'words') == [[b'ein', b'kurzer', b'satz'], ['äöü'.encode(), b'', b'']]
    assert values(answer, 'count') == [3, 1]
    body = {'inputs': ['Zwei Worte']}
    assert rest('/v1/models/words:predict', body) == (
        200, {'outputs': {'count': [2], 'words': [['zwei', 'worte']]}}
    )  # fmt: skip
