import contextlib
import logging
import math
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import killed_training
from tests.models.rows import labelled_texts, write_rows
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.checkpoints import Checkpoint, CheckpointError
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.language import train_language
from vaiven.models.training.training_loop import AveragingAdam, train_phase

pytestmark = pytest.mark.slow

STEPS = 5
FAST = TrainingConfig(learning_rate=0.1, patience=2)


class Line(keras.Model):
    """y = w x, with dropout. The loss is the network's own, and `distance` is a metric."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(outputs, use_bias=False, kernel_initializer='zeros')
        self.dropout = keras.layers.Dropout(0.5, seed=0)
        self.distance = keras.metrics.Mean(name='distance')
        self(np.zeros((1, 3), np.float32))

    @property
    def metrics(self) -> list[keras.Metric]:
        return [*super().metrics, self.distance]

    def call(self, x, training=False):
        return self.dropout(self.dense(x), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = keras.ops.mean((y_pred - y) ** 2)
        self.distance.update_state(loss)
        return loss


def points(epoch):
    """Points that depend on the number of the epoch alone."""
    x = tf.random.stateless_normal([STEPS * 8, 3], [1, tf.cast(epoch, tf.int32)])
    return tf.data.Dataset.from_tensor_slices((x, tf.reduce_sum(x, 1, keepdims=True))).batch(8)


def run(network=None, training=FAST, epochs=4, *, batches=points, validation=True, **options):
    network = network or Line()
    options = {'phase': 'line', 'monitor': 'distance', **options}
    train_phase(
        network, training, batches, epochs, STEPS, validation=points(99) if validation else None, **options
    )
    return network


def checkpoint(folder, subject='line', **rates) -> Checkpoint:
    return Checkpoint(str(folder / 'kept' / 'training.npz'), subject, rates)


class Stop(keras.callbacks.Callback):
    """Ends the training after a number of epochs, like a kill, but without ending the process."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epochs:
            raise KeyboardInterrupt


def interrupted(folder, after: int, **options) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        run(callbacks=[Stop(after)], checkpoint=checkpoint(folder), **options)


def weights(network) -> np.ndarray:
    return np.concatenate([value.ravel() for value in network.get_weights()])


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, 'vaiven.progress')
    return lambda: [record.getMessage() for record in caplog.records if record.name == 'vaiven.progress']


def test_a_killed_and_resumed_training_ends_with_the_same_weights(tmp_path, lines):
    rows, path = (
        write_rows(tmp_path / 'rows.gz', *labelled_texts(150)),
        str(tmp_path / 'kept' / 'training.npz'),
    )
    command = [sys.executable, '-m', 'tests.models.killed_training', rows, path]
    killed = subprocess.run(command, cwd=pathlib.Path(__file__).parents[2], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-500:]
    resumed = killed_training.run(rows, Checkpoint(path, 'killed', {}))
    assert 'the phase sentiment resumes at epoch 3' in lines()
    assert not any(line.startswith('epoch 2/4') for line in lines())
    for one, other in zip(resumed.get_weights(), killed_training.run(rows).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_language_task_resumes_as_well(tmp_path):
    text = np.array([4, 5, 6, 7, 8, 9] * 50)
    network = NetworkConfig(
        cell='simple_rnn', units=4, embedding_size=4, weight_dropout=0.2, embedding_dropout=0.1, wide_ngrams=0
    )
    training = TrainingConfig(
        task='language', window=10, batch_size=4, epochs=3, learning_rate=0.02, weight_averaging=0.9
    )

    def train(**options):
        return train_language(network, training, list('abcdefghijkl'), text, text[:60], **options)

    with pytest.raises(KeyboardInterrupt):
        train(callbacks=[Stop(2)], checkpoint=checkpoint(tmp_path))
    np.testing.assert_array_equal(weights(train(checkpoint=checkpoint(tmp_path))), weights(train()))


@pytest.mark.parametrize('averaging', [0.0, 0.9])
@pytest.mark.parametrize('epochs', [1, 3])
def test_the_epoch_of_the_kill_makes_no_difference(tmp_path, averaging, epochs):
    training = TrainingConfig(learning_rate=0.1, weight_averaging=averaging)
    interrupted(tmp_path, epochs, training=training)
    resumed = run(training=training, checkpoint=checkpoint(tmp_path))
    np.testing.assert_array_equal(weights(resumed), weights(run(training=training)))


def test_a_finished_phase_is_skipped(tmp_path, lines):
    def both(**options):
        network, kept = Line(), checkpoint(tmp_path)
        run(network, phase='first', monitor=None, epochs=2, checkpoint=kept)
        run(network, phase='second', checkpoint=kept, **options)
        return network

    with pytest.raises(KeyboardInterrupt):
        both(callbacks=[Stop(2)])
    before = len(lines())
    resumed = both()
    assert lines()[before : before + 2] == [
        'the phase first is already finished',
        'the phase second resumes at epoch 3',
    ]
    checkpoint(tmp_path).remove()
    np.testing.assert_array_equal(weights(resumed), weights(both()))


def test_patience_continues_to_count_and_the_best_weights_survive_the_kill(tmp_path):
    """Each epoch after the first pulls away from what the validation split wants."""

    def away(epoch):
        x = tf.ones([STEPS * 8, 3])
        y = tf.fill([STEPS * 8, 1], 3.0 - 40.0 * tf.cast(epoch, tf.float32))
        return tf.data.Dataset.from_tensor_slices((x, y)).batch(8)

    def seen(**options) -> tuple[list[int], np.ndarray]:
        epochs: list[int] = []
        count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
        network = run(batches=away, epochs=9, callbacks=[count], **options)
        return epochs, weights(network)

    interrupted(tmp_path, 2, batches=away, epochs=9)
    epochs, resumed = seen(checkpoint=checkpoint(tmp_path))
    all_epochs, whole = seen()
    assert len(all_epochs) < 9
    assert [0, 1, *epochs] == all_epochs
    np.testing.assert_array_equal(resumed, whole)


def test_a_kill_after_the_last_epoch_leaves_nothing_to_train(tmp_path, lines):
    whole = run(checkpoint=checkpoint(tmp_path))
    before = len(lines())
    np.testing.assert_array_equal(weights(run(checkpoint=checkpoint(tmp_path))), weights(whole))
    assert not [line for line in lines()[before:] if 'loss' in line]


def test_another_training_starts_from_the_beginning(tmp_path, lines):
    interrupted(tmp_path, 2)
    run(checkpoint=checkpoint(tmp_path, 'another'))
    assert 'the checkpoint is of another training, so this one starts from the beginning' in lines()
    assert any(line.startswith('epoch 1/4') for line in lines())


@pytest.mark.parametrize('keep', [0, 0.5, 0.99])
def test_a_damaged_checkpoint_is_ignored_with_one_line(tmp_path, lines, keep):
    interrupted(tmp_path, 2)
    path = tmp_path / 'kept' / 'training.npz'
    contents = path.read_bytes()
    path.write_bytes(contents[: int(len(contents) * keep)])
    checkpoint(tmp_path)
    assert [line for line in lines() if 'damaged' in line] == [
        f'the checkpoint {path} is damaged, so the training starts from the beginning'
    ]


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path):
    interrupted(tmp_path, 2)
    with pytest.raises(CheckpointError, match=r'does not fit the network\. Delete it'):
        run(Line(outputs=2), checkpoint=checkpoint(tmp_path))


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(tmp_path, lines):
    (tmp_path / 'kept').write_text('a file where the folder should be')
    assert np.isfinite(weights(run(checkpoint=checkpoint(tmp_path)))).all()
    assert sum('no checkpoint could be written' in line for line in lines()) == 4


def diverge(epoch):
    return points(epoch).map(lambda x, y: (x, y if epoch < 2 else y * math.inf))


def test_after_a_nan_loss_other_recovery_settings_resume_from_the_last_good_epoch(tmp_path, lines):
    with pytest.raises(TrainingError, match=r'step 1 of epoch 3\..*resumes at epoch 3 of the phase line'):
        run(batches=diverge, checkpoint=checkpoint(tmp_path, learning_rate=0.1))
    lower = checkpoint(tmp_path, learning_rate=0.01)
    run(training=TrainingConfig(learning_rate=0.01), checkpoint=lower)
    assert 'the phase line resumes at epoch 3' in lines()
    assert lower.changes == [{'phase': 'line', 'epochs': 2, 'before': {'learning_rate': 0.1}}]


def test_another_training_with_other_recovery_settings_does_not_change_the_checkpoint(tmp_path):
    with contextlib.suppress(KeyboardInterrupt):
        run(callbacks=[Stop(2)], checkpoint=checkpoint(tmp_path, learning_rate=0.1))
    path = tmp_path / 'kept' / 'training.npz'
    before = path.read_bytes()
    with pytest.raises(TrainingError, match=r'step 1 of epoch 1\.(?!.*resumes)'):
        run(batches=lambda epoch: diverge(epoch + 2), checkpoint=checkpoint(tmp_path, learning_rate=0.01))
    assert path.read_bytes() == before


def test_settings_that_fail_again_still_resume_from_the_last_good_epoch(tmp_path):
    with pytest.raises(TrainingError):
        run(batches=diverge, checkpoint=checkpoint(tmp_path, learning_rate=0.1))
    for rate in (0.05, 0.02):
        with pytest.raises(TrainingError, match='resumes at epoch 3 of the phase line'):
            run(batches=diverge, checkpoint=checkpoint(tmp_path, learning_rate=rate))


@pytest.mark.parametrize('broken', [math.nan, math.inf])
def test_weights_broken_by_the_last_step_are_noticed_in_the_validation(tmp_path, broken):
    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_test_begin(self, logs=None):
            if self.epoch == 2:
                self.model.dense.kernel.assign(np.full((3, 1), broken))

    rule = (
        r'validation loss is NaN or infinite after epoch 3\. Received: .*resumes at epoch 3 of the phase line'
    )
    with pytest.raises(TrainingError, match=rule):
        run(callbacks=[Break()], checkpoint=checkpoint(tmp_path))
    with np.load(tmp_path / 'kept' / 'training.npz') as kept:
        assert {name.split('/')[0] for name in kept} == {'about', 'network', 'optimizer', 'best'}
        assert all(np.isfinite(kept[name]).all() for name in kept if name != 'about')
    np.testing.assert_array_equal(weights(run(checkpoint=checkpoint(tmp_path))), weights(run()))


def test_other_recovery_settings_without_a_nan_loss_start_from_the_beginning(tmp_path, lines):
    with contextlib.suppress(KeyboardInterrupt):
        run(callbacks=[Stop(2)], checkpoint=checkpoint(tmp_path, learning_rate=0.1))
    run(checkpoint=checkpoint(tmp_path, learning_rate=0.01))
    assert 'the checkpoint is of another training, so this one starts from the beginning' in lines()


def test_averaged_weights_are_validated_and_restored():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            seen.append((logs['distance'], weights(self.model)))

    averaged = run(training=TrainingConfig(learning_rate=0.1, weight_averaging=0.9), callbacks=[Look()])
    best = min(seen, key=lambda pair: pair[0])[1]
    np.testing.assert_array_equal(weights(averaged), best)
    assert np.abs(best - weights(run())).max() > 1e-3


def test_without_a_monitored_metric_the_last_average_is_restored():
    averaged = run(
        training=TrainingConfig(learning_rate=0.1, weight_averaging=0.9), monitor=None, validation=False
    )
    average = np.array(averaged.optimizer._model_variables_moving_average[0]).ravel()
    np.testing.assert_array_equal(weights(averaged), average)


@pytest.mark.parametrize('final_rate_fraction', [0.0, 0.25, 1.0])
def test_the_learning_rate_falls_to_the_final_fraction(final_rate_fraction):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    run(
        training=TrainingConfig(learning_rate=0.1, final_rate_fraction=final_rate_fraction),
        epochs=2,
        callbacks=[Look()],
    )
    assert seen == pytest.approx([0.1 * (1 + final_rate_fraction) / 2, 0.1 * final_rate_fraction])


def test_learning_curves_are_written_for_tensorboard(tmp_path):
    run(logs=str(tmp_path), epochs=2)
    values: dict[str, list[int]] = {}
    for file in tmp_path.rglob('events*'):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == 'scalars'
                name = f'{file.parent.relative_to(tmp_path)}/{value.tag}'
                values.setdefault(name, []).append(event.step)
    assert set(values) == {
        'line/train/loss',
        'line/train/distance',
        'line/train/learning_rate',
        'line/validation/loss',
        'line/validation/distance',
    }
    assert set(map(tuple, values.values())) == {(1, 2)}


def test_the_fused_adam_moves_weights_as_keras_adam_does():
    draw = np.random.default_rng(0)
    dense, rows = draw.normal(size=(4, 3)).astype('float32'), draw.normal(size=(6, 2)).astype('float32')
    ids, after = tf.constant([1, 4, 1]), []
    for kind in (keras.optimizers.Adam, AveragingAdam):
        weights = [keras.Variable(dense), keras.Variable(rows)]
        optimizer = kind(0.01, global_clipnorm=0.5)
        for _ in range(5):
            with tf.GradientTape() as tape:
                values = [weight.value for weight in weights]
                picked = tf.gather(values[1], ids)  # a sparse gradient, in which one row stands twice
                loss = tf.reduce_sum(tf.sin(values[0])) + tf.reduce_sum(picked**3)
            optimizer.apply(tape.gradient(loss, values), weights)
        after.append([np.array(weight) for weight in weights])
    for theirs, ours, before in zip(*after, (dense, rows), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
        assert np.abs(ours - before).max() > 0.03


def test_autotune_is_off_for_training_and_validation(monkeypatch):
    seen = []

    def fit_and_look(self, x, validation_data, **options):
        seen.extend([x, validation_data])

    monkeypatch.setattr(Line, 'fit', fit_and_look)
    run()
    assert [each.options().autotune.enabled for each in seen] == [False, False]
