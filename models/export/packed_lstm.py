"""The LSTM over a batch of texts without padding, for serving: equal to `Encoder.encode` and `Network.pool`.

The texts of a batch have different lengths, and half of a padded batch is padding. Here the tokens are packed: the
longest text is first, and a step computes only the texts that have not ended, in both directions at once. The product
with the inputs is computed once for each distinct token of the batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from vaiven.models.network.network import Network

# Steps in one iteration of the loop. With 1, its control flow would add 9 % to the time of a batch of 4 texts.
_UNROLLED = 4


class _Packed(NamedTuple):
    """Where the tokens of a batch are when they are sorted by step, and by text inside a step, the longest text first.

    Attributes:
        lengths: int32 (n), the number of tokens of each text, in descending order.
        texts: int32 (n), which text of the batch each of them is.
        sizes: int32 (time), the number of texts that have a token at this step.
        starts: int32 (time), the number of tokens before this step.
        rows: int32 (tokens), which of the sorted texts a token is in.
        forward, backward: int32 (tokens), the tokens in the reading order of each direction, as positions in the batch.
    """

    lengths: tf.Tensor
    texts: tf.Tensor
    sizes: tf.Tensor
    starts: tf.Tensor
    rows: tf.Tensor
    forward: tf.Tensor
    backward: tf.Tensor


class _State(NamedTuple):
    """The state of one direction: h and c, (texts, units), and all h so far."""

    h: tf.Tensor
    c: tf.Tensor
    outputs: tf.TensorArray


class PackedLSTM:
    """Computes the vectors of texts.

    Args:
        network: built, without cuDNN operations; its cell is `lstm`.

    Attributes:
        kernels: the kernel and the recurrent kernel of each layer of each direction, one above the other, as the
            operation for a single text takes them. To join them in each call would take a fifth of its time.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.kernels = {
            direction: [
                tf.Variable(
                    tf.concat([layer.cell.kernel, layer.cell.recurrent_kernel], axis=0),
                    trainable=False,
                    name=f'{layer.name}_kernels',
                )
                for layer in network.stacks[direction]
            ]
            for direction in network.directions
        }

    def vectors(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """Computes last, maximum and mean output of each direction, as `Network.pool`.

        Args:
            ids: int64 (n, None), at least one for each text.

        Returns:
            float (n, directions · 3 · units).
        """
        # A single text needs no packing, and its steps are too small for a loop of operations.
        return tf.cond(
            tf.equal(ids.nrows(), 1),
            lambda: self._one_vector(ids.values),
            lambda: _packed_vectors(self.network, ids),
        )

    def _one_vector(self, ids: tf.Tensor) -> tf.Tensor:
        """Computes the vector of one text: int64 (tokens) → float (1, directions · 3 · units)."""
        vectors = self.network.input_vectors(ids)  # (tokens, features)
        parts = []
        for direction, kernels in self.kernels.items():
            outputs = vectors if direction == 'forward' else tf.reverse(vectors, axis=[0])
            for layer, kernel in zip(self.network.stacks[direction], kernels, strict=True):
                outputs = _block_lstm(outputs, kernel, layer.cell.bias)
            parts += [outputs[-1], tf.reduce_max(outputs, axis=0), tf.reduce_mean(outputs, axis=0)]
        return tf.concat(parts, axis=0)[tf.newaxis]


def _block_lstm(inputs: tf.Tensor, kernels: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Computes all steps of one text in one operation: (tokens, features) → (tokens, units)."""
    units = bias.shape[0] // 4
    state, unused = tf.zeros([1, units]), tf.zeros([units])
    outputs = tf.raw_ops.BlockLSTMV2(  # the gates are in Keras' order
        seq_len_max=tf.shape(inputs, tf.int64)[0],
        x=inputs[:, tf.newaxis],
        cs_prev=state,
        h_prev=state,
        w=kernels,
        wci=unused,
        wcf=unused,
        wco=unused,
        b=bias,
    )
    return outputs.h[:, 0]


def _packed_vectors(network: Network, ids: tf.RaggedTensor) -> tf.Tensor:
    packed = _pack(ids)
    distinct, numbers = tf.unique(ids.values)
    vectors = network.input_vectors(distinct)  # (distinct, features)
    orders = {'forward': packed.forward, 'backward': packed.backward}
    outputs: list[tf.Tensor] = []  # of each direction, (tokens, units)
    for layers in zip(*(network.stacks[direction] for direction in network.directions), strict=True):
        cells = [layer.cell for layer in layers]
        if outputs:
            sums = [_input_sums(cell, values) for cell, values in zip(cells, outputs, strict=True)]
        else:
            sums = [
                tf.gather(_input_sums(cell, vectors), tf.gather(numbers, orders[direction]))
                for cell, direction in zip(cells, network.directions, strict=True)
            ]
        outputs = _packed_outputs(cells, sums, packed)
    pooled = tf.concat([part for values in outputs for part in _pooled(values, packed)], axis=1)
    return tf.gather(pooled, tf.math.invert_permutation(packed.texts))


def _pack(ids: tf.RaggedTensor) -> _Packed:
    lengths, texts = tf.math.top_k(tf.cast(ids.row_lengths(), tf.int32), tf.cast(ids.nrows(), tf.int32))
    starts = tf.gather(tf.cast(ids.row_starts(), tf.int32), texts)  # (n)
    longest = tf.maximum(tf.reduce_max(lengths), 0)  # of no texts it would be the lowest integer
    time = (longest + _UNROLLED - 1) // _UNROLLED * _UNROLLED  # there is no text at the last steps
    exists = tf.range(time)[:, tf.newaxis] < lengths  # (time, n)
    steps, rows = tf.unstack(tf.cast(tf.where(exists), tf.int32), axis=1)  # (tokens) each
    sizes = tf.reduce_sum(tf.cast(exists, tf.int32), axis=1)
    first, length = tf.gather(starts, rows), tf.gather(lengths, rows)
    forward, backward = first + steps, first + length - 1 - steps
    return _Packed(lengths, texts, sizes, tf.cumsum(sizes, exclusive=True), rows, forward, backward)


def _input_sums(cell: keras.layers.LSTMCell, inputs: tf.Tensor) -> tf.Tensor:
    """Computes what inputs add to the gates: (tokens, features) → (tokens, 4 · units)."""
    return tf.matmul(inputs, cell.kernel) + cell.bias


def _packed_outputs(
    cells: Sequence[keras.layers.LSTMCell], sums: Sequence[tf.Tensor], packed: _Packed
) -> list[tf.Tensor]:
    """Computes all steps of one layer.

    Args:
        cells: of each direction.
        sums: the `_input_sums` of each direction.
        packed: the places of the tokens.

    Returns:
        All h of each direction, (tokens, units).
    """
    units, time = cells[0].units, tf.size(packed.sizes)
    # Slices of whole rows are not copied.
    begins = tf.stack([packed.starts, tf.zeros_like(packed.starts)], axis=1)  # (time, 2)
    shapes = tf.stack([packed.sizes, tf.fill([time], -1)], axis=1)
    running = tf.TensorShape([None, units])

    def step(t: tf.Tensor, states: list[_State]) -> list[_State]:
        begin, shape = tf.gather(begins, t), tf.gather(shapes, t)
        new_states = []
        for cell, values, (h, c, outputs) in zip(cells, sums, states, strict=True):
            h, c = tf.slice(h, [0, 0], shape), tf.slice(c, [0, 0], shape)  # of the texts that have not ended
            gates = tf.slice(values, begin, shape) + tf.matmul(h, cell.recurrent_kernel)
            i, f, g, o = tf.split(gates, 4, axis=1)  # (texts, units) each
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            new_states.append(_State(h, c, outputs.write(t, h)))
        return new_states

    def steps(t: tf.Tensor, states: list[_State]) -> tuple[tf.Tensor, list[_State]]:
        for number in range(_UNROLLED):
            states = step(t + number, states)
        return t + _UNROLLED, states

    zeros = tf.zeros([tf.size(packed.lengths), units])
    states = [
        _State(zeros, zeros, tf.TensorArray(tf.float32, time, element_shape=running, infer_shape=False))
        for _ in cells
    ]
    _, states = tf.while_loop(
        lambda t, _: t < time,
        steps,
        (0, states),
        shape_invariants=(
            tf.TensorShape([]),
            [_State(running, running, tf.TensorShape(None)) for _ in cells],
        ),
    )
    return [state.outputs.concat() for state in states]


def _pooled(outputs: tf.Tensor, packed: _Packed) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Computes the last, the highest and the mean output of each text: (tokens, units) → (n, units) each."""
    count = tf.size(packed.lengths)
    last = tf.gather(outputs, tf.gather(packed.starts, packed.lengths - 1) + tf.range(count))
    total = tf.math.unsorted_segment_sum(outputs, packed.rows, count)
    mean = total / tf.cast(packed.lengths, outputs.dtype)[:, tf.newaxis]
    return last, tf.math.unsorted_segment_max(outputs, packed.rows, count), mean
