"""How a network that has learnt language learns opinions without forgetting it (ULMFiT: Howard & Ruder 2018)."""

from keras import ops

from vaiven.models.network.layers import Tensor
from vaiven.models.network.network import Network
from vaiven.models.training.config import TrainingConfig


class LayerRates:
    """The learning rate of each weight at each step, in parts of the training's.

    Discriminative rates: `decay` times lower with each layer further down. Gradual unfreezing: a layer begins to learn
    `unfreeze_steps` after the one above it.

    Args:
        network: built.
        decay: 1 for one rate; Howard & Ruder use 2.6.
        unfreeze_steps: 0 for all layers at once.
    """

    def __init__(self, network: Network, decay: float, unfreeze_steps: int) -> None:
        self.decay = decay
        self.unfreeze_steps = unfreeze_steps
        self.depths = depths(network)

    def __call__(self, number: int, step: Tensor) -> Tensor:
        """Of the weight of that number among the network's trainable ones."""
        depth = self.depths[number]
        thawed = ops.cast(step >= depth * self.unfreeze_steps, 'float32')
        return thawed * self.decay**-depth


def layer_rates(network: Network, training: TrainingConfig, steps: int) -> LayerRates | None:
    """What the settings ask for, with `steps` an epoch; None for one rate all the time."""
    if training.layer_decay == 1 and not training.unfreeze_epochs:
        return None
    return LayerRates(network, training.layer_decay, training.unfreeze_epochs * steps)


def depths(network: Network) -> list[int]:
    """How far below the sentiment head each of the network's trainable weights lies.

    0 the head's own, 1 the uppermost recurrent layers and the language heads, and so on; last the
    vectors of the tokens.
    """
    layers = network.config.layers
    parts = [(network.sentiment, 0), *((part, 1) for part in network.language_projection.values())]
    for stack in network.stacks.values():
        parts += [(layer, layers - number) for number, layer in enumerate(stack)]
    found = {id(variable): depth for part, depth in parts for variable in part.trainable_variables}
    return [found.get(id(variable), layers + 1) for variable in network.trainable_variables]
