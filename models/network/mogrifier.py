"""The Mogrifier LSTM: input and hidden state gate each other before the step (Melis et al. 2020)."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.gated_cell import GatedCell
from vaiven.models.network.layers import Tensor


@keras.saving.register_keras_serializable('vaiven')
class MogrifierCell(GatedCell):
    """A step of an LSTM that reads x↑ and h↑ instead of x and h.

        x ← 2σ(Q h)∘x and h ← 2σ(R x)∘h in turns, with matrices of their own in every round

    The factor 2 keeps both near their old values while Q and R are small.

    Args:
        units: size of h and of c.
        rounds: number of rounds, 5 as in the paper; 0 is the LSTM.
        kwargs: the other arguments of `GatedCell`.
    """

    def __init__(self, units: int, *, rounds: int = 5, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.rounds = rounds

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; called by Keras."""
        super().build(input_shape)
        features = input_shape[-1]
        self.input_gates = self.add_weight(
            shape=((self.rounds + 1) // 2, self.units, features),
            initializer=self.kernel_initializer,
            name='input_gates',
        )
        self.state_gates = self.add_weight(
            shape=(self.rounds // 2, features, self.units),
            initializer=self.kernel_initializer,
            name='state_gates',
        )

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Computes one step.

        Args:
            inputs: (batch, features).
            states: h and c, each (batch, units).
            training: without effect; Keras passes it.

        Returns:
            The output h', (batch, units), and the new states h' and c'.
        """
        x, (h, c) = inputs, states
        for number in range(self.rounds):
            if number % 2 == 0:
                x = 2 * ops.sigmoid(ops.matmul(h, self.input_gates[number // 2])) * x
            else:
                h = 2 * ops.sigmoid(ops.matmul(x, self.state_gates[number // 2])) * h
        return super().call(x, [h, c], training)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, for Keras' serialisation."""
        return {**super().get_config(), 'rounds': self.rounds}
