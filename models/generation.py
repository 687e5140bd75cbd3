"""Writing on: text from a begin of any length, token by token, inside the graph, so that one call writes it all."""

import tensorflow as tf

from vaiven.models.network.network import Network
from vaiven.models.text import PAD_ID, SPECIAL_TOKENS

LONGEST = 10_000
# Leaves a number a logarithm or a divisor can take.
_TINY = 1e-6


def write_on(
    network: Network,
    begins: tf.Tensor,
    length: tf.Tensor,
    temperature: tf.Tensor,
    top_p: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Draws `length` tokens after each begin.

    One loop reads the begin and writes on: a step's input is the begin's token while there is one, and the token
    just drawn after that. An end is never drawn.

    Args:
        network: its forward stack is the language model.
        begins: int32 (n, time), with `[BOS]`, without `[EOS]`, padded with 0 at the right.
        length: int32 (), at most `LONGEST`.
        temperature: float (); the logits are divided by it. 0 takes the likeliest token always.
        top_p: float () in (0, 1]: draws from the smallest set of tokens that has this share of the probability
            (nucleus sampling, Holtzman et al. 2020).
        seed: int32 (); the same seed, begin and settings write the same text.

    Returns:
        int32 (n, length).
    """
    batch, longest = tf.shape(begins)[0], tf.shape(begins)[1]
    lengths = tf.reduce_sum(tf.cast(begins != PAD_ID, tf.int32), axis=1)  # (n)
    states = network.first_states(batch)
    shapes = tf.nest.map_structure(lambda state: tf.TensorShape([None, state.shape[-1]]), states)
    written = tf.zeros([batch, longest + length], tf.int32)

    def one(step, ids, states, written):
        output, states = network.step(ids, states)
        logits = network.token_logits(network.project('forward', output))
        drawn = _draw(logits, temperature, top_p, tf.stack([seed, step]))
        following = tf.gather(begins, tf.minimum(step + 1, longest - 1), axis=1)
        ids = tf.where(step + 1 < lengths, following, drawn)
        places = tf.stack([tf.range(batch), tf.fill([batch], step)], axis=1)
        return step + 1, ids, states, tf.tensor_scatter_nd_update(written, places, drawn)

    *_, written = tf.while_loop(
        lambda step, *_: step < longest - 1 + length,
        one,
        (0, begins[:, 0], states, written),
        shape_invariants=(
            tf.TensorShape([]),
            tf.TensorShape([None]),
            shapes,
            tf.TensorShape([None, None]),
        ),
    )
    places = lengths[:, None] - 1 + tf.range(length)[None, :]  # where each row's own writing begins
    return tf.gather(written, places, batch_dims=1)


def _draw(logits: tf.Tensor, temperature: tf.Tensor, top_p: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """One id a row from (n, vocabulary) logits, none of the special tokens."""
    allowed = tf.range(tf.shape(logits)[1]) >= len(SPECIAL_TOKENS)
    logits = tf.where(allowed[None, :], logits, logits.dtype.min)
    logits = logits / tf.maximum(temperature, _TINY)
    ranked = tf.sort(logits, direction='DESCENDING', axis=1)
    probabilities = tf.nn.softmax(ranked)
    # Every token is kept before which less than `top_p` has been gathered; so the likeliest always is.
    kept = tf.cumsum(probabilities, axis=1, exclusive=True) < top_p
    least = tf.reduce_min(tf.where(kept, ranked, ranked.dtype.max), axis=1, keepdims=True)
    nucleus = tf.where(logits >= least, logits, logits.dtype.min)
    # The Gumbel trick: the largest of logits plus this noise is a draw from their softmax.
    uniform = tf.random.stateless_uniform(tf.shape(logits), seed, minval=_TINY, maxval=1.0)
    noise = -tf.math.log(-tf.math.log(uniform))
    drawn = tf.where(temperature > 0, tf.argmax(nucleus + noise, axis=1), tf.argmax(logits, axis=1))
    return tf.cast(drawn, tf.int32)
