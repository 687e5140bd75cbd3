"""Forward and backward pass of a bidirectional LSTM over batches of given shapes, in Keras and PyTorch."""

from collections.abc import Callable, Sequence

import numpy as np

Shape = tuple[int, int]  # (batch, time)


def our_lstm(shapes: Sequence[Shape], features: int, units: int) -> Callable[[], None]:
    """Returns a function that computes, for each shape, the gradients of all weights and inputs on fixed noise."""
    return _on_tensorflow(shapes, features, units, 'auto')


def keras_lstm(shapes: Sequence[Shape], features: int, units: int) -> Callable[[], None]:
    """The same with Keras' own layer."""
    return _on_tensorflow(shapes, features, units, False)


def _on_tensorflow(
    shapes: Sequence[Shape], features: int, units: int, use_cudnn: bool | str
) -> Callable[[], None]:
    import tensorflow as tf

    from vaiven.models.network.cells import recurrent_layer

    forward, backward = (
        recurrent_layer('lstm', units, use_cudnn=use_cudnn, seed=seed, name=f'lstm_{seed}') for seed in (0, 1)
    )
    for layer in (forward, backward):
        layer.build((None, None, features))
    weights = [weight.value for layer in (forward, backward) for weight in layer.trainable_weights]
    batches = [tf.constant(batch) for batch in _batches(shapes, features)]

    @tf.function(input_signature=[tf.TensorSpec([None, None, features])])
    def step(batch: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(batch)
            # Like in the network: the states of a direction stay in its reading order.
            loss = tf.reduce_sum(forward(batch)) + tf.reduce_sum(backward(tf.reverse(batch, [1])))
        gradients = tape.gradient(loss, [batch, *weights])
        return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

    def run() -> None:
        for batch in batches:
            step(batch).numpy()

    return run


def torch_lstm(shapes: Sequence[Shape], features: int, units: int) -> Callable[[], None]:
    """The same with PyTorch's layer. Raises ImportError if PyTorch is not installed."""
    import torch

    layer = torch.nn.LSTM(features, units, batch_first=True, bidirectional=True)
    batches = [torch.from_numpy(batch).requires_grad_() for batch in _batches(shapes, features)]

    def run() -> None:
        for batch in batches:
            loss = layer(batch)[0].sum()
            gradients = torch.autograd.grad(loss, [batch, *layer.parameters()])
            float(sum(gradient.sum() for gradient in gradients))

    return run


def _batches(shapes: Sequence[Shape], features: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.standard_normal((*shape, features), dtype=np.float32) for shape in shapes]
