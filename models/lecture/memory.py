"""A task that only memory solves: name a symbol that was read some steps ago (Hochreiter & Schmidhuber 1997).

    q b a 3 c c a b ?      → 3

A row is noise, one symbol among it, and a question mark at its end. The delay is the number of steps from the symbol to
the question mark. Nothing but the state of the network carries the symbol there.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from vaiven.models.lecture.language_model import DivergedError, LanguageModel

SYMBOLS, NOISE = 8, 8
_QUESTION = SYMBOLS + NOISE
_VOCABULARY_SIZE = _QUESTION + 1


@dataclasses.dataclass(frozen=True)
class CopyTask:
    """Sizes of the task and of its training.

    Attributes:
        units: units and embedding size of the networks.
        steps: training steps.
        batch_size: rows of a training step.
        max_delay: longest delay in training; shorter ones are as frequent.
        measured_delays: delays that are measured; those above `max_delay` were never trained.
        measured_rows: rows of a measurement.
        learning_rate: initial learning rate of Adam.
    """

    units: int = 32
    steps: int = 200
    batch_size: int = 32
    max_delay: int = 30
    measured_delays: tuple[int, ...] = (1, 5, 10, 20, 30, 60)
    measured_rows: int = 256
    learning_rate: float = 0.01


def copy_rows(delays: np.ndarray, length: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws rows of the task.

    Args:
        delays: int (rows), each at least 1 and below `length`.
        length: tokens of a row.
        random: source of the symbols and the noise.

    Returns:
        The rows, int32 (rows, length), and the symbol to name at the end of each, int32 (rows).
    """
    rows = random.integers(SYMBOLS, SYMBOLS + NOISE, (len(delays), length), dtype=np.int32)
    symbols = random.integers(0, SYMBOLS, len(delays), dtype=np.int32)
    rows[np.arange(len(delays)), length - 1 - delays] = symbols
    rows[:, -1] = _QUESTION
    return rows, symbols


def copy_accuracy(cell: str, task: CopyTask, seed: int) -> tuple[float, ...]:
    """Trains a network on the task and measures how many symbols it names, by delay.

    Args:
        cell: one of `vaiven.models.network.config.CELLS`.
        task: sizes.
        seed: seed of the weights and of the rows; the rows are the same for every cell.

    Returns:
        The accuracy for each of `measured_delays`, between 0 and 1; chance is 1 / `SYMBOLS`.

    Raises:
        DivergedError: the loss is NaN or infinite.
    """
    model = LanguageModel(cell, _VOCABULARY_SIZE, units=task.units, embedding_size=task.units, seed=seed)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(task.learning_rate, task.steps, alpha=0.1), global_clipnorm=1.0
    )
    optimizer.build(model.trainable_variables)
    length = task.max_delay + 1

    @tf.function(
        input_signature=[
            tf.TensorSpec([task.batch_size, length], tf.int32), tf.TensorSpec([task.batch_size], tf.int32)
        ],
        jit_compile=False,
    )  # fmt: skip
    def step(rows: tf.Tensor, symbols: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=symbols, logits=model(rows, last_only=True)
            )
            loss = tf.reduce_mean(losses)
        optimizer.apply(
            tape.gradient(loss, [variable.value for variable in model.trainable_variables]),
            model.trainable_variables,
        )
        return loss

    random = np.random.default_rng(seed)
    loss = tf.constant(0.0)
    for _ in range(task.steps):
        loss = step(*copy_rows(random.integers(1, length, task.batch_size), length, random))
    if not np.isfinite(float(loss)):
        raise DivergedError(f'{cell}: the loss of the copy task is NaN or infinite')
    return tuple(_accuracy(model, task, delay) for delay in task.measured_delays)


def _accuracy(model: LanguageModel, task: CopyTask, delay: int) -> float:
    random = np.random.default_rng(delay)  # other rows than in training
    length = max(delay, task.max_delay) + 1
    rows, symbols = copy_rows(np.full(task.measured_rows, delay), length, random)
    logits = np.asarray(model(tf.constant(rows), last_only=True))
    return float((logits[:, :SYMBOLS].argmax(axis=1) == symbols).mean())
