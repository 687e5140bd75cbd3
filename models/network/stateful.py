"""The network as a language model of long texts: its state is kept from window to window."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor, slice_time
from vaiven.models.network.losses import cross_entropy, draw_candidates
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import BOS_ID, PAD_ID


class StatefulLanguageModel(keras.Model):
    """Trains a network on windows of long texts: minimises the mean cross-entropy of the next token, in nats.

    `fit` takes batches of windows, int (batch, directions, tokens + 1), right-padded with 0. A row continues where the
    same row of the previous batch ended (its last token is the first of this window). The state is carried over, but
    gradients stop at the border of the window (truncated BPTT, Williams & Peng 1990). In the backward direction a
    window is read from the end of the text. Evaluation always uses the full softmax.

    Args:
        network: the network to train.
        batch_size: rows of a batch.
        softmax_candidates: tokens of the sampled softmax in training; 0 for the full softmax.
        last_only: whether every window starts from the initial state and only its last token is a target.
        state_reset: probability that a row of a training batch starts from the initial state. Every text that is scored
            or continued later starts there; a network that never trained on it can get into states from which it does
            not recover.
        seed: seed of the sampled softmax and of the resets.
    """

    def __init__(
        self,
        network: Network,
        *,
        batch_size: int,
        softmax_candidates: int,
        last_only: bool = False,
        state_reset: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        # Builds all weights, also those that this training does not touch.
        network(ops.full((1, 2), BOS_ID, dtype='int32'))
        network.sentiment.trainable = False
        self.softmax_candidates = softmax_candidates
        self.last_only = last_only
        self.candidate_seed = keras.random.SeedGenerator(seed)
        self.state_reset = state_reset
        self.reset_seed = keras.random.SeedGenerator(seed + 1)
        # direction → layers → states, each (batch_size, units)
        self.state = {
            direction: [
                [
                    self.add_weight(
                        shape=(batch_size, network.config.units), initializer='zeros', trainable=False
                    )
                    for _ in layer
                ]
                for layer in network.initial_state(batch_size, direction)
            ]
            for direction in self.network.directions
        }
        self.trackers = {
            direction: keras.metrics.Mean(name=f'{direction}_loss') for direction in self.network.directions
        }
        self.language_tracker = keras.metrics.Mean(name='language_loss')

    @property
    def metrics(self) -> list[keras.Metric]:
        """The metrics that Keras resets at the start of each epoch."""
        return [*super().metrics, *self.trackers.values(), self.language_tracker]

    def reset_state(self) -> None:
        """Resets all rows to the initial state; to be called before each pass over a text."""
        for layers in self.state.values():
            for layer in layers:
                for variable in layer:
                    variable.assign(ops.zeros_like(variable))

    def call(self, windows: Tensor, training: bool = False) -> dict[str, tuple[Tensor, Tensor]]:
        """Reads a batch of windows and updates the state.

        Args:
            windows: int (batch, directions, tokens + 1).
            training: whether to apply dropout and random resets.

        Returns:
            For each direction two tensors (batch, tokens, embedding_size): the projected states, from which
            `Network.token_logits` predicts the next token, and the vectors of those tokens.
        """
        return {
            direction: self._read_window(direction, windows[:, number], training)
            for number, direction in enumerate(self.network.directions)
        }

    def _read_window(self, direction: str, window: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        ids, vectors = window[:, :-1], self.network.token_vectors(window)
        steps = ops.shape(window)[1] - 1
        inputs, targets = slice_time(vectors, 0, steps), slice_time(vectors, 1, steps)
        if self.last_only:
            outputs, _ = self.network.read_window(direction, ids, None, training, inputs)
            outputs, targets = slice_time(outputs, steps - 1, 1), slice_time(targets, steps - 1, 1)
        else:
            state = self._load_state(direction, training)
            outputs, state = self.network.read_window(direction, ids, state, training, inputs)
            self._store_state(direction, state)
        dropped = self.network.between_dropout(outputs, training=training)
        return self.network.project(direction, dropped), targets

    def _load_state(self, direction: str, training: bool) -> list[list[Tensor]]:
        # Copies: PyTorch assigns in place, and its gradients need the values from before the window.
        state = [[ops.copy(variable) for variable in layer] for layer in self.state[direction]]
        if not training or not self.state_reset:
            return state
        draws = keras.random.uniform((ops.shape(state[0][0])[0], 1), seed=self.reset_seed)  # (batch, 1)
        # The initial state of every cell is zero.
        return [
            [ops.where(draws < self.state_reset, ops.zeros_like(values), values) for values in layer]
            for layer in state
        ]

    def _store_state(self, direction: str, state: Sequence[Sequence[Tensor]]) -> None:
        for variables, layer in zip(self.state[direction], state, strict=True):
            for variable, values in zip(variables, layer, strict=True):
                variable.assign(ops.stop_gradient(values))

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Any = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Computes the language loss and updates the metrics; called by Keras.

        Args:
            x: windows, int (batch, directions, tokens + 1).
            y: without effect: the targets are in the windows.
            y_pred: outputs of `call`.
            sample_weight: without effect.
            training: whether the softmax may be sampled.

        Returns:
            float (), the mean over the directions.
        """
        sampled = draw_candidates(
            self.network, self.softmax_candidates if training else 0, self.candidate_seed
        )
        losses = []
        for number, direction in enumerate(self.network.directions):
            targets = ops.cast(x[:, number, -1:] if self.last_only else x[:, number, 1:], 'int32')
            projected, vectors = y_pred[direction]
            loss = cross_entropy(self.network, projected, targets, vectors, sampled)
            count = ops.sum(ops.cast(targets != PAD_ID, 'float32'))
            self.trackers[direction].update_state(loss, sample_weight=count)
            self.language_tracker.update_state(loss, sample_weight=count)
            losses.append(loss)
        return sum(losses) / len(losses)
