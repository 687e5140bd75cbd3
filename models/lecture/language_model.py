"""A language model with one layer of any cell, its training, and its evaluation in bits per token."""

import dataclasses
import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaiven.errors import UserError
from vaiven.models.network.cells import recurrent_layer
from vaiven.models.network.layers import Tensor


class DivergedError(UserError):
    """The loss of a training is NaN or infinite."""

    exit_status = 1


class LanguageModel(keras.Model):
    """Embedding, one recurrent layer and a softmax.

    Args:
        cell: one of `vaiven.models.network.config.CELLS`.
        vocabulary_size: number of ids.
        units: size of the hidden state.
        embedding_size: size of an embedding.
        seed: seed of the initial weights.
    """

    def __init__(
        self, cell: str, vocabulary_size: int, *, units: int, embedding_size: int, seed: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        # Unit variance, as inputs usually have: the gradients before training depend on it.
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            embedding_size,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=3 * seed),
            name='embedding',
        )
        self.recurrent = recurrent_layer(cell, units, use_cudnn=False, seed=3 * seed + 1, name='recurrent')
        self.softmax = keras.layers.Dense(
            vocabulary_size,
            kernel_initializer=keras.initializers.GlorotUniform(seed=3 * seed + 2),
            name='softmax',
        )
        self(np.zeros((1, 2), 'int32'))

    def call(self, ids: Tensor, last_only: bool = False) -> Tensor:
        """Predicts the next token of each step: int (batch, time) → logits (batch, time, vocabulary_size).

        With `last_only` it predicts that of the last step alone: (batch, vocabulary_size).
        """
        outputs = self.recurrent(self.embedding(ids))
        return self.softmax(outputs[:, -1] if last_only else outputs)


@dataclasses.dataclass(frozen=True)
class Budget:
    """The budget of a training, the same for all models that are compared.

    Attributes:
        steps: number of training steps.
        batch_size: windows per step.
        window: tokens per window.
        learning_rate: initial learning rate of Adam.
        measurements: points of the learning curve after the first one.
    """

    steps: int
    batch_size: int
    window: int
    learning_rate: float
    measurements: int


@dataclasses.dataclass(frozen=True)
class Curve:
    """A learning curve.

    Attributes:
        steps: training steps at each point; the first point is before training.
        bits: bits per token of the held-out text at each point.
        seconds: training time, without the measurements.
    """

    steps: tuple[int, ...]
    bits: tuple[float, ...]
    seconds: float


def train(
    model: LanguageModel,
    ids: np.ndarray,
    held_out: np.ndarray,
    budget: Budget,
    seed: int,
    *,
    patience: int | None = None,
) -> Curve:
    """Trains a model on random windows of a text, and measures it on held-out windows.

    Args:
        model: initialised; trained in place.
        ids: int (tokens), the training text, longer than a window.
        held_out: int (rows, window + 1).
        budget: steps and sizes.
        seed: seed of the windows: with the same seed every cell gets the same windows in the same order.
        patience: stops after this many measurements without improvement and restores the best weights (early
            stopping); None for all steps and the last weights.

    Raises:
        DivergedError: the loss is NaN or infinite.
    """
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(budget.learning_rate, budget.steps, alpha=0.1),
        # Clipping prevents exploding gradients (Pascanu et al. 2013).
        global_clipnorm=1.0,
    )
    optimizer.build(model.trainable_variables)

    @tf.function(
        input_signature=[tf.TensorSpec([budget.batch_size, budget.window + 1], tf.int32)], jit_compile=False
    )
    def step(batch: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = _nats(model(batch[:, :-1]), batch[:, 1:])
        optimizer.apply(
            tape.gradient(loss, [variable.value for variable in model.trainable_variables]),
            model.trainable_variables,
        )
        return loss

    random = np.random.default_rng(seed)
    points = sorted({round(budget.steps * i / budget.measurements) for i in range(budget.measurements + 1)})
    bits: list[float] = []
    started, measuring_seconds = time.monotonic(), 0.0
    best: tuple[int, list[np.ndarray]] = (0, [])  # number of the measurement, and its weights
    for number in range(budget.steps + 1):
        if number in points:
            measuring_started = time.monotonic()
            bits.append(bits_per_token(model, held_out))
            measuring_seconds += time.monotonic() - measuring_started
            if not math.isfinite(bits[-1]):
                raise DivergedError(f'{model.recurrent.name}: the loss is NaN or infinite at step {number}')
            if patience is not None:
                if bits[-1] == min(bits):
                    best = len(bits), model.get_weights()
                elif len(bits) - best[0] >= patience:
                    break
        if number < budget.steps:
            starts = random.integers(0, len(ids) - budget.window, size=budget.batch_size)
            step(tf.constant(ids[starts[:, None] + np.arange(budget.window + 1)]))  # (batch, window + 1)
    if patience is not None:
        model.set_weights(best[1])
    return Curve(tuple(points[: len(bits)]), tuple(bits), time.monotonic() - started - measuring_seconds)


def _nats(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits))


def bits_per_token(model: LanguageModel, rows: np.ndarray) -> float:
    """Computes the mean −log₂ p of all tokens but the first of each row; `rows` is int (rows, time)."""
    total = 0.0
    # 64 rows at a time limit the memory of the softmax.
    for start in range(0, len(rows), 64):
        batch = tf.constant(rows[start : start + 64])
        total += float(_nats(model(batch[:, :-1]), batch[:, 1:])) * len(rows[start : start + 64])
    return total / len(rows) / math.log(2)


def windows(ids: np.ndarray, window: int, count: int) -> np.ndarray:
    """Selects windows that are spread evenly over a text.

    Args:
        ids: int (tokens), longer than a window.
        window: tokens per window.
        count: maximum number of windows.

    Returns:
        int (rows, window + 1).
    """
    rows = max(1, min(count, (len(ids) - 1) // window))
    starts = np.linspace(0, len(ids) - window - 1, rows).astype(int)
    return ids[starts[:, None] + np.arange(window + 1)]


def frequency_bits(ids: np.ndarray, held_out: np.ndarray, size: int) -> float:
    """Computes the bits per token of a model that knows only the frequencies of the tokens, with add-one smoothing.

    Args:
        ids: int (tokens), the training text.
        held_out: int (rows, window + 1).
        size: size of the vocabulary.
    """
    counts = np.bincount(ids, minlength=size) + 1
    return float(-np.log2(counts[held_out[:, 1:]] / counts.sum()).mean())
