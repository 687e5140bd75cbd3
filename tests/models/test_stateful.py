"""Long texts as windows, and the network that keeps its state between them."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.data.text_windows import SlidingWindows, StatefulWindows
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.stateful import StatefulLanguageModel
from vaiven.models.text.tokenization import UNK_ID

pytestmark = pytest.mark.slow

TEXT = np.arange(4, 4 + 103)


def windows(batches: StatefulWindows | SlidingWindows, epoch: int = 0) -> list[np.ndarray]:
    return [batch.numpy() for batch in batches.epoch(epoch)]


def test_each_window_starts_where_the_previous_one_ended() -> None:
    stateful = StatefulWindows(TEXT, batch_size=4, window=7)
    found = windows(stateful)
    assert len(found) == stateful.steps == 4
    for before, after in itertools.pairwise(found):
        np.testing.assert_array_equal(before[:, :, -1], after[:, :, 0])
    read = np.concatenate([found[0][:, 0, :1], *(w[:, 0, 1:] for w in found)], axis=1)
    np.testing.assert_array_equal(read[:, :25], TEXT[:100].reshape(4, 25))
    assert not read[:, 25:].any(), 'what lies behind a segment is padding, not the next segment'


def test_the_backward_direction_reads_the_same_segment_from_its_end() -> None:
    found = windows(StatefulWindows(TEXT, 4, 8, ('forward', 'backward')))
    forward, backward = (np.concatenate([w[:, d, :-1] for w in found], axis=1) for d in (0, 1))
    np.testing.assert_array_equal(backward[:, :24], TEXT[:100].reshape(4, 25)[:, :0:-1])
    np.testing.assert_array_equal(forward[:, :24], TEXT[:100].reshape(4, 25)[:, :-1])


def test_each_epoch_has_its_own_windows_and_each_seed_its_own_epochs() -> None:
    def first(seed: int, epoch: int) -> list[int]:
        return windows(StatefulWindows(TEXT, 2, 10, shift=True, seed=seed), epoch)[0].ravel().tolist()

    assert first(1, 0) == first(1, 0)
    assert len({tuple(first(seed, epoch)) for seed in (1, 2) for epoch in range(4)}) > 3


def test_each_sliding_window_occurs_once_in_an_order_that_differs_between_epochs() -> None:
    sliding = SlidingWindows(TEXT, batch_size=5, window=6)
    epochs = [np.concatenate(windows(sliding, epoch))[:, 0] for epoch in (0, 1)]
    for rows in epochs:
        np.testing.assert_array_equal(np.diff(rows, axis=1), 1)
        assert len(set(rows[:, 0])) == len(rows) == sliding.steps * 5
    assert epochs[0].tolist() != epochs[1].tolist()


def test_a_text_with_fewer_windows_than_a_batch_has_them_all_in_one_batch() -> None:
    sliding = SlidingWindows(TEXT[:9], batch_size=50, window=6)
    assert (sliding.steps, sliding.batch_size) == (1, 3)
    (batch,) = windows(sliding)
    assert sorted(batch[:, 0, 0]) == TEXT[:3].tolist()


def make_model(directions: int = 1, cell: str = 'lstm', **settings) -> StatefulLanguageModel:
    config = NetworkConfig(
        cell=cell, bidirectional=directions == 2, units=5, embedding_size=4, dropout=0, token_dropout=0, wide_ngrams=0
    )  # fmt: skip
    network = Network(config, 120, seed=3)
    return StatefulLanguageModel(network, batch_size=2, softmax_candidates=0, **settings)


def loss_of(model: StatefulLanguageModel, batches: tf.data.Dataset) -> float:
    model.compile(optimizer='sgd', jit_compile=False)
    model.reset_state()
    return model.evaluate(batches, verbose=0, return_dict=True)['language_loss']


@pytest.mark.parametrize(
    'cell',
    ['simple_rnn', 'gru', 'lstm', 'peephole_coupled_lstm', 'mogrifier_lstm', 'slstm', 'min_gru', 'min_lstm'],
)
@pytest.mark.parametrize('directions', [1, 2])
def test_the_state_is_kept_from_window_to_window(cell: str, directions: int) -> None:
    model = make_model(directions, cell)
    names = model.network.directions
    whole, in_windows = (loss_of(model, StatefulWindows(TEXT, 2, size, names).epoch(0)) for size in (50, 7))
    assert in_windows == pytest.approx(whole, rel=1e-5)


def test_without_the_state_of_earlier_windows_the_loss_differs() -> None:
    model = make_model()
    batches = StatefulWindows(TEXT, 2, 7).epoch(0)
    kept = loss_of(model, batches)
    each = [loss_of(model, batches.skip(step).take(1)) for step in range(8)]
    assert abs(np.mean(each) - kept) > 1e-6


def test_some_rows_start_from_the_initial_state_in_training_only() -> None:
    network = make_model().network
    model = StatefulLanguageModel(network, batch_size=64, softmax_candidates=0, state_reset=0.5)
    window = np.random.default_rng(0).integers(4, 100, (64, 1, 5))

    def read_after(states: float, training: bool) -> np.ndarray:
        for state in model.state['forward'][0]:
            state.assign(np.full(state.shape, states))
        return np.array(model(window, training=training)['forward'][0])

    initial, kept, drawn = read_after(0, False), read_after(0.7, False), read_after(0.7, True)
    is_new, is_kept = (np.isclose(drawn, other, atol=1e-6).all(axis=(1, 2)) for other in (initial, kept))
    assert (is_new ^ is_kept).all()
    assert 16 < is_new.sum() < 48


def test_with_last_only_each_window_has_one_target_and_starts_from_the_initial_state() -> None:
    model = make_model(last_only=True)
    (batch,) = list(SlidingWindows(TEXT, 2, 6).epoch(0).take(1))
    outputs = model(batch)
    assert [part.shape for part in outputs['forward']] == [(2, 1, 4), (2, 1, 4)]
    states, _ = model.network.read_window('forward', batch[:, 0, :-1], None)
    logits = model.network.token_logits(model.network.project('forward', states[:, -1]))
    expected = keras.losses.sparse_categorical_crossentropy(batch[:, 0, -1], logits, from_logits=True)
    assert loss_of(model, tf.data.Dataset.from_tensors(batch)) == pytest.approx(
        float(np.mean(expected)), rel=1e-5
    )


def test_one_hot_input_has_its_own_softmax_and_learns() -> None:
    config = NetworkConfig(
        bidirectional=False, layers=2, units=16, embedding_size=0, dropout=0, token_dropout=0, wide_ngrams=0
    )  # fmt: skip
    network = Network(config, 9, seed=1)
    model = StatefulLanguageModel(network, batch_size=4, softmax_candidates=512, last_only=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), jit_compile=False)
    sliding = SlidingWindows([4, 5, 6, 7, 8] * 40, 4, 6)
    before = loss_of(model, sliding.epoch(0))
    model.compile(optimizer=keras.optimizers.Adam(0.01), jit_compile=False)
    model.fit(sliding.epoch(0), verbose=0)
    assert loss_of(model, sliding.epoch(0)) < before / 2
    np.testing.assert_array_equal(np.array(network.embedding.embeddings), np.eye(9))


def test_an_unknown_token_is_read_as_a_dropped_one() -> None:
    network = Network(NetworkConfig(units=5, embedding_size=4, wide_ngrams=0), 9, seed=1)
    before = np.array(network.read('forward', np.array([[5, UNK_ID, 6]]))[0])
    table = np.array(network.embedding.embeddings)
    table[UNK_ID] = 1e3
    network.embedding.embeddings.assign(table)
    np.testing.assert_array_equal(before, np.array(network.read('forward', np.array([[5, UNK_ID, 6]]))[0]))


def test_weight_dropout_drops_recurrent_weights_in_training_alone() -> None:
    config = NetworkConfig(
        units=8, embedding_size=4, dropout=0, token_dropout=0, weight_dropout=0.5, wide_ngrams=0
    )  # fmt: skip
    network = Network(config, 9, seed=1)
    ids = np.array([[5, 6, 7, 8, 5, 6]])
    plain = np.array(network.read('forward', ids)[0])
    drawn = [np.array(network.read('forward', ids, training=True)[0]) for _ in range(2)]
    np.testing.assert_allclose(drawn[0][:, 0], plain[:, 0], atol=1e-6)  # the first step has no recurrence
    assert np.abs(drawn[0] - plain).max() > 1e-4
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-4
    np.testing.assert_array_equal(plain, np.array(network.read('forward', ids)[0]))


def test_weight_dropout_sends_gradients_to_the_weights_that_are_left() -> None:
    config = NetworkConfig(
        units=8, embedding_size=4, dropout=0, token_dropout=0, weight_dropout=0.5, wide_ngrams=0
    )  # fmt: skip
    network = Network(config, 9, seed=1)
    kernel = network.stacks['forward'][0].cell.recurrent_kernel
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network.read('forward', np.array([[5, 6, 7, 8, 5, 6]]), training=True)[0])
    share = float(np.mean(np.array(tape.gradient(loss, kernel.value)) != 0))
    assert 0.3 < share < 0.7


def test_vocabulary_dropout_drops_a_token_wherever_it_stands() -> None:
    config = NetworkConfig(
        units=8, embedding_size=4, dropout=0, token_dropout=0, embedding_dropout=0.5, wide_ngrams=0
    )  # fmt: skip
    network = Network(config, 40, seed=1)
    ids = np.array([[5, 6, 7, 8] * 3, list(range(10, 22))])
    vectors = np.array(network.vocabulary_dropout(network.embedding(ids), ids, training=True))
    dropped = ~vectors.any(axis=-1)
    assert (dropped[0].reshape(3, 4) == dropped[0][:4]).all()
    assert 0 < dropped.mean() < 1
