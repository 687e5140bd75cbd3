"""The contestants of the speed benchmark train on the same rows."""

from pathlib import Path

import pytest

from benchmarks.corpora import Review
from benchmarks.lstm_layers import keras_lstm, our_lstm
from benchmarks.training_speed import contestants
from vaiven.pipeline.config import configure

pytestmark = pytest.mark.slow

SETTINGS = (
    'network.units=8', 'network.embedding_size=8', 'network.wide_ngrams=0', 'training.batch_size=4',
    'vocabulary.min_count=1',
)  # fmt: skip


def test_all_pass_over_all_rows_and_count_no_padding(tmp_path: Path) -> None:
    rows = [Review(' '.join(['word'] * length), length % 2, str(length)) for length in range(1, 13)]
    runs, shape = contestants(rows, configure('reviews', SETTINGS), tmp_path)
    # Each text has a begin and an end besides its words.
    assert shape['tokens'] == sum(range(1, 13)) + 2 * len(rows)
    assert shape['longest'] == 14
    for name in ('ours', 'padded', 'plain'):
        history = runs[name]()
        assert history.history['loss'][0] > 0


def test_layers_take_batches_of_any_shape() -> None:
    for lstm in (our_lstm, keras_lstm):
        lstm([(2, 3), (1, 5)], features=4, units=3)()
