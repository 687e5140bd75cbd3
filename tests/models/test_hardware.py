import json
import logging
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.rows import VOCABULARY, labelled_texts, write_rows
from vaiven.models.network.config import CELLS, NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.objective import JointNetwork
from vaiven.models.text.subwords import assign_subwords
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.hardware import Hardware, find_hardware, inference_network, share_cores
from vaiven.models.training.trainer import train

pytestmark = pytest.mark.slow


def test_two_devices_train_the_same_network_as_one_also_when_resumed(tmp_path):
    command = [sys.executable, '-m', 'tests.models.two_devices', str(tmp_path)]
    run = subprocess.run(command, cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found['replicas'] == 2
    assert found['one_and_two'] < 1e-4
    assert found['finite']


@pytest.mark.parametrize('task', ['sentiment', 'language'])
def test_a_training_in_16_bits_gives_a_network_in_32(tmp_path, task):
    rows = write_rows(tmp_path / 'rows.gz', *labelled_texts(48))
    config = NetworkConfig(
        cell='peephole_lstm', bidirectional=False, units=4, embedding_size=4, weight_dropout=0.2
    )
    training = TrainingConfig(
        task=task,
        epochs=2,
        window=16,
        batch_size=16,
        softmax_candidates=8,
        weight_averaging=0.9,
    )
    seen: list[tuple[str, str, float]] = []

    def look(epoch, logs):
        model = count.model
        seen.append((model.compute_dtype, type(model.optimizer).__name__, logs['loss']))

    count = keras.callbacks.LambdaCallback(on_epoch_end=look)
    hardware = Hardware(tf.distribute.get_strategy(), 'mixed_float16')
    network = train(config, training, VOCABULARY, [rows], [rows], hardware=hardware, callbacks=[count])
    assert [how for *how, _ in seen] == [['float16', 'LossScaleOptimizer']] * 2
    assert np.isfinite([loss for *_, loss in seen]).all()
    assert {layer.compute_dtype for layer in network._flatten_layers()} == {'float32'}
    assert all(np.isfinite(value).all() for value in network.get_weights())


def test_in_16_bits_sums_and_losses_stay_in_32():
    with Hardware(tf.distribute.get_strategy(), 'mixed_float16').scope():
        network = JointNetwork(
            NetworkConfig(units=4, embedding_size=4), 20, language_weight=0.1, softmax_candidates=0
        )
    ids = np.array([[2, 5, 6, 3]])
    outputs = network(ids)
    assert outputs['forward'].dtype == 'float16'
    assert outputs['sentiment'].dtype == 'float32'
    assert network.token_logits(outputs['forward']).dtype == 'float32'
    assert network.compute_loss(ids, np.array([1.0], 'float32'), outputs).dtype == 'float32'


def test_subwords_are_folded_in_32_bits_after_a_training_in_16():
    with Hardware(tf.distribute.get_strategy(), 'mixed_float16').scope():
        network = Network(
            NetworkConfig(units=4, embedding_size=8, subword_buckets=64, wide_ngrams=0), 7, seed=1
        )
        network(np.array([[2, 3]]))
    assign_subwords(network, ['[PAD]', '[UNK]', '[BOS]', '[EOS]', 'maravillosa', 'maravilloso', 'perro'])
    word, vectors, subwords = (
        np.array(table)
        for table in (network.embedding.embeddings, network.subwords.vectors, network.subwords.subword_ids)
    )
    present = subwords > 0
    count = np.maximum(present.sum(1, keepdims=True), 1)
    expected = word + (vectors[subwords] * present[..., None]).sum(1) / np.sqrt(count)
    found = np.array(inference_network(network).embedding.embeddings)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_mixed_precision_has_no_effect_without_a_gpu(caplog):
    caplog.set_level(logging.INFO, 'vaiven.progress')
    hardware = find_hardware(TrainingConfig(mixed_precision=True))
    assert hardware.is_plain
    assert caplog.messages == ['training.mixed_precision has no effect without a GPU']


def test_cells_of_cudnn_use_the_layers_of_keras_that_run_on_it():
    """As `keras.src.backend.tensorflow.rnn.cudnn_ok` asks for it."""
    for cell in CELLS:
        network = JointNetwork(
            NetworkConfig(cell=cell, units=4, embedding_size=4, layers=2, weight_dropout=0.1),
            20,
            language_weight=0.1,
            softmax_candidates=0,
        )
        layers = [layer for stack in network.stacks.values() for layer in stack]
        kind = {'lstm': keras.layers.LSTM, 'gru': keras.layers.GRU}.get(cell)
        assert all(kind is None or isinstance(layer, kind) for layer in layers)
        for layer in layers:
            if kind is None:
                assert not isinstance(layer, keras.layers.LSTM)
                assert getattr(layer, 'use_cudnn', False) is False
                continue
            assert layer.use_cudnn == 'auto'
            assert (layer.activation, layer.recurrent_activation) == (
                keras.activations.tanh,
                keras.activations.sigmoid,
            )
            assert (layer.use_bias, layer.unroll, layer.recurrent_dropout) == (True, False, 0.0)
            assert getattr(layer, 'reset_after', True)


@pytest.mark.parametrize(
    ('bidirectional', 'said', 'expected'), [(True, None, [2]), (False, None, []), (True, '3', [])]
)
def test_two_directions_share_the_cores_unless_the_environment_sets_the_threads(
    monkeypatch, bidirectional, said, expected
):
    seen: list[int] = []
    monkeypatch.setattr(tf.config.threading, 'set_intra_op_parallelism_threads', seen.append)
    monkeypatch.setattr('os.sched_getaffinity', lambda process: {0, 1, 2, 3, 4})
    monkeypatch.delenv('TF_NUM_INTRAOP_THREADS', raising=False)
    if said:
        monkeypatch.setenv('TF_NUM_INTRAOP_THREADS', said)
    share_cores(NetworkConfig(bidirectional=bidirectional))
    assert seen == expected


def test_cores_stay_as_they_are_once_tensorflow_has_computed():
    tf.constant(1) + 1
    before = tf.config.threading.get_intra_op_parallelism_threads()
    share_cores(NetworkConfig())
    assert tf.config.threading.get_intra_op_parallelism_threads() == before
