"""The network as a language model of long texts, which it reads on and on: state kept, every token a target."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor, span
from vaiven.models.network.losses import cross_entropy, draw
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import BOS_ID, PAD_ID


class StatefulLanguageModel(keras.Model):
    """A network that is trained on streams: minimises the mean cross-entropy of the next token, in nats.

    `fit` wants batches of windows, int (streams, directions, tokens + 1), padded with 0 at the right: row `s` goes
    on where row `s` of the batch before ended (its last token is the first of this one), and the states go on with
    it, while gradients stop at the window's border (truncated BPTT, Williams & Peng 1990). The backward model's
    window is a piece of the text read from its end. In evaluation the softmax is always the full one.

    Args:
        network: what learns.
        streams: rows of a batch.
        softmax_candidates: tokens that the sampled softmax draws; 0 for the full one.
        last_only: whether each window begins anew and only its last token is a target.
        state_reset: how probable it is for each row of a batch to begin anew, from the first states. Later on every
            text begins there: a network that never learnt from them can get into states that it knows nothing of,
            and not find out again.
        seed: of the draws.
    """

    def __init__(
        self,
        network: Network,
        *,
        streams: int,
        softmax_candidates: int,
        last_only: bool = False,
        state_reset: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        network(
            ops.full((1, 2), BOS_ID, dtype='int32')
        )  # builds all of it, also what this training leaves alone
        network.sentiment.trainable = False
        self.softmax_candidates = softmax_candidates
        self.last_only = last_only
        self.draw_seed = keras.random.SeedGenerator(seed)
        self.state_reset = state_reset
        self.reset_seed = keras.random.SeedGenerator(seed + 1)
        self.memory = {
            direction: [
                [
                    self.add_weight(
                        shape=(streams, network.config.units), initializer='zeros', trainable=False
                    )
                    for _ in layer
                ]
                for layer in network.first_states(streams, direction)
            ]
            for direction in self.network.directions
        }
        self.trackers = {
            direction: keras.metrics.Mean(name=f'{direction}_loss') for direction in self.network.directions
        }
        self.language_tracker = keras.metrics.Mean(name='language_loss')

    @property
    def metrics(self) -> list[keras.Metric]:
        return [*super().metrics, *self.trackers.values(), self.language_tracker]

    def forget(self) -> None:
        """Back to the first states: before every pass over a text."""
        for layers in self.memory.values():
            for layer in layers:
                for state in layer:
                    state.assign(ops.zeros_like(state))

    def call(self, windows: Tensor, training: bool = False) -> dict[str, tuple[Tensor, Tensor]]:
        """For each direction two times (streams, tokens, embedding_size): `token_logits` makes of the first the next
        token read, and the second is that token's vector."""
        return {
            direction: self._read_window(direction, windows[:, number], training)
            for number, direction in enumerate(self.network.directions)
        }

    def _read_window(self, direction: str, window: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        ids, vectors, steps = window[:, :-1], self.network.token_vectors(window), ops.shape(window)[1] - 1
        read, targets = span(vectors, 0, steps), span(vectors, 1, steps)
        if self.last_only:
            states, _ = self.network.read_on(direction, ids, None, training, read)
            states, targets = span(states, steps - 1, 1), span(targets, steps - 1, 1)
        else:
            before = self._remembered(direction, training)
            states, after = self.network.read_on(direction, ids, before, training, read)
            self._remember(direction, after)
        dropped = self.network.between_dropout(states, training=training)
        return self.network.project(direction, dropped), targets

    def _remembered(self, direction: str, training: bool) -> list[list[Tensor]]:
        # Copies: PyTorch assigns in place, and its gradients need what the step began from.
        states = [[ops.copy(state) for state in layer] for layer in self.memory[direction]]
        if not training or not self.state_reset:
            return states
        drawn = keras.random.uniform((ops.shape(states[0][0])[0], 1), seed=self.reset_seed)
        # The first states are all zero.
        return [
            [ops.where(drawn < self.state_reset, ops.zeros_like(state), state) for state in layer]
            for layer in states
        ]

    def _remember(self, direction: str, after: Sequence[Sequence[Tensor]]) -> None:
        for layer, states in zip(self.memory[direction], after, strict=True):
            for variable, state in zip(layer, states, strict=True):
                variable.assign(ops.stop_gradient(state))

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Any = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        drawn = draw(self.network, self.softmax_candidates if training else 0, self.draw_seed)
        losses = []
        for number, direction in enumerate(self.network.directions):
            targets = ops.cast(x[:, number, -1:] if self.last_only else x[:, number, 1:], 'int32')
            projected, vectors = y_pred[direction]
            loss = cross_entropy(self.network, projected, targets, vectors, drawn)
            count = ops.sum(ops.cast(targets != PAD_ID, 'float32'))
            self.trackers[direction].update_state(loss, sample_weight=count)
            self.language_tracker.update_state(loss, sample_weight=count)
            losses.append(loss)
        return sum(losses) / len(losses)
