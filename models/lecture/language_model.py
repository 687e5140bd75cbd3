"""A language model with one layer of any cell, its training, and what it costs in bits."""

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
    """A loss that is no number."""

    exit_status = 1


class LanguageModel(keras.Model):
    """Embedding, one recurrent layer, softmax: ids (batch, time) to logits (batch, time, vocabulary_size)."""

    def __init__(
        self, cell: str, vocabulary_size: int, *, units: int, embedding_size: int, seed: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        # Components of size one, so that the gradients at the start are those of inputs of the usual size.
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

    def call(self, ids: Tensor) -> Tensor:
        return self.softmax(self.recurrent(self.embedding(ids)))


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a training may use; the same for all that are compared."""

    steps: int
    batch_size: int
    window: int
    learning_rate: float
    measurements: int


@dataclasses.dataclass(frozen=True)
class Curve:
    """Bits per token of the held-out text after so many steps; the first point is before training."""

    steps: tuple[int, ...]
    bits: tuple[float, ...]
    seconds: float


def train(model: LanguageModel, stream: np.ndarray, held_out: np.ndarray, budget: Budget, seed: int) -> Curve:
    """Trains on windows drawn at random from `stream`, and measures on the rows of `held_out`.

    Args:
        model: as it was initialised; it is changed.
        stream: int (tokens), longer than a window.
        held_out: int (rows, window + 1).
        budget: steps and sizes.
        seed: of the draw: the same seed, the same windows in the same order for every cell.

    Raises:
        DivergedError: if the loss is no longer a number.
    """
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(budget.learning_rate, budget.steps, alpha=0.1),
        # Pascanu et al. 2013: the remedy against gradients that explode.
        global_clipnorm=1.0,
    )
    optimizer.build(model.trainable_variables)

    @tf.function(
        input_signature=[tf.TensorSpec([budget.batch_size, budget.window + 1], tf.int32)], jit_compile=False
    )
    def step(ids: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = _nats(model(ids[:, :-1]), ids[:, 1:])
        optimizer.apply(
            tape.gradient(loss, [variable.value for variable in model.trainable_variables]),
            model.trainable_variables,
        )
        return loss

    draw = np.random.default_rng(seed)
    marks = sorted({round(budget.steps * i / budget.measurements) for i in range(budget.measurements + 1)})
    bits: list[float] = []
    began, measuring = time.monotonic(), 0.0
    for done in range(budget.steps + 1):
        if done in marks:
            before = time.monotonic()
            bits.append(bits_per_token(model, held_out))
            measuring += time.monotonic() - before
            if not math.isfinite(bits[-1]):
                raise DivergedError(f'{model.recurrent.name}: the loss is no number at step {done}')
        if done < budget.steps:
            starts = draw.integers(0, len(stream) - budget.window, size=budget.batch_size)
            step(tf.constant(stream[starts[:, None] + np.arange(budget.window + 1)]))
    return Curve(tuple(marks), tuple(bits), time.monotonic() - began - measuring)


def _nats(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits))


def bits_per_token(model: LanguageModel, rows: np.ndarray) -> float:
    """Mean −log₂ p of each row's tokens after its first; int (rows, time)."""
    total = 0.0
    for start in range(0, len(rows), 64):
        batch = tf.constant(rows[start : start + 64])
        total += float(_nats(model(batch[:, :-1]), batch[:, 1:])) * len(rows[start : start + 64])
    return total / len(rows) / math.log(2)


def windows(stream: np.ndarray, window: int, count: int) -> np.ndarray:
    """At most `count` rows, spread evenly over a stream that is longer than a window: int (rows, window + 1)."""
    rows = max(1, min(count, (len(stream) - 1) // window))
    starts = np.linspace(0, len(stream) - window - 1, rows).astype(int)
    return stream[starts[:, None] + np.arange(window + 1)]


def frequency_bits(stream: np.ndarray, held_out: np.ndarray, size: int) -> float:
    """Bits per token of a model that knows the tokens' frequencies only (add one), on the same rows."""
    counts = np.bincount(stream, minlength=size) + 1
    return float(-np.log2(counts[held_out[:, 1:]] / counts.sum()).mean())
