"""Fine-tuning of a network that was pretrained on language (ULMFiT, Howard & Ruder 2018)."""

from keras import ops

from vaiven.models.network.layers import Tensor
from vaiven.models.network.network import Network
from vaiven.models.training.config import TrainingConfig


class LayerRates:
    """Computes the learning rate of each weight at each step, as a factor of the training's learning rate.

    Discriminative fine-tuning: the rate falls by `decay` with each layer further down. Gradual unfreezing: a layer
    starts to train `unfreeze_steps` after the layer above it.

    Args:
        network: built.
        decay: 1 for one rate; Howard & Ruder use 2.6.
        unfreeze_steps: 0 for all layers at once.
    """

    def __init__(self, network: Network, decay: float, unfreeze_steps: int) -> None:
        self.decay = decay
        self.unfreeze_steps = unfreeze_steps
        self.depths = layer_depths(network)

    def __call__(self, index: int, step: Tensor) -> Tensor:
        """Returns the factor, float (), of the trainable weight at position `index` at an optimizer step."""
        depth = self.depths[index]
        # A factor of 0 instead of `trainable`: the graph of the training step is traced only once.
        unfrozen = ops.cast(step >= depth * self.unfreeze_steps, 'float32')
        return unfrozen * self.decay**-depth


def layer_rates(network: Network, training: TrainingConfig, steps: int) -> LayerRates | None:
    """Creates the layer rates of the settings.

    Args:
        network: built.
        training: `layer_decay` and `unfreeze_epochs`.
        steps: steps per epoch.

    Returns:
        None if all weights have the same rate all the time.
    """
    if training.layer_decay == 1 and not training.unfreeze_epochs:
        return None
    return LayerRates(network, training.layer_decay, training.unfreeze_epochs * steps)


def layer_depths(network: Network) -> list[int]:
    """Returns how many layers below the head of the labels each trainable weight of the network lies.

    0 for the head itself, 1 for the top recurrent layers and the language heads, and so on; the highest number for the
    embeddings.
    """
    layers = network.config.layers
    heads = [network.sentiment] if network.thresholds is None else [network.sentiment, network.thresholds]
    depths = [*((head, 0) for head in heads), *((head, 1) for head in network.language_projection.values())]
    for stack in network.stacks.values():
        depths += [(layer, layers - number) for number, layer in enumerate(stack)]
    # By identity: Keras variables compare element by element.
    by_variable = {id(variable): depth for layer, depth in depths for variable in layer.trainable_variables}
    # Embeddings, subwords and the bias of the softmax lie below all recurrent layers.
    return [by_variable.get(id(variable), layers + 1) for variable in network.trainable_variables]
