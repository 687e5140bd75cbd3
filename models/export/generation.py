"""Writing on: text from a begin of any length, token by token, inside the graph, so that one call writes it all."""

from typing import NamedTuple

import tensorflow as tf

from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import PAD_ID, SPECIAL_TOKENS

LONGEST = 10_000
# Leaves a number a logarithm or a divisor can take.
_TINY = 1e-6
# Puts a token behind all others, in logits; not as far as the special tokens, for when nothing else is left.
_FAR = 1e4
# So many likeliest tokens nearly always hold a nucleus: the rest of the vocabulary need not be sorted.
_FEW = 1024


class Draw(NamedTuple):
    """How the next token is chosen; each a scalar.

    Attributes:
        temperature: float; the logits are divided by it. 0 takes the likeliest token always.
        top_p: float in (0, 1]; only the fewest tokens with this share of the probability are drawn from (nucleus
            sampling: Holtzman et al. 2020).
        top_k: int; and only so many of the likeliest ones (Fan et al. 2018). 0 for all.
        no_repeat: int; a token that would repeat as many tokens in a row as this, from anywhere before, is not
            drawn (Paulus et al. 2018, with 3 words). 0 for no such rule.
        seed: int; the same seed, begin and settings write the same text.
    """

    temperature: tf.Tensor
    top_p: tf.Tensor
    top_k: tf.Tensor
    no_repeat: tf.Tensor
    seed: tf.Tensor


def generate(network: Network, begins: tf.Tensor, length: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Draws `length` tokens after each begin.

    One loop reads the begin and writes on: a step's input is the begin's token while there is one, and the token
    just drawn after that. An end is never drawn.

    Args:
        network: its forward stack is the language model.
        begins: int32 (n, time), with `[BOS]`, without `[EOS]`, padded with 0 at the right.
        length: int32 (), at most `LONGEST`.
        draw: how to choose.

    Returns:
        int32 (n, length).
    """
    batch, longest = tf.shape(begins)[0], tf.shape(begins)[1]
    lengths = tf.reduce_sum(tf.cast(begins != PAD_ID, tf.int32), axis=1)  # (n)
    states = network.first_states(batch)
    tokens = tf.pad(begins, [[0, 0], [0, length]])  # (n, longest + length)
    places = tf.range(longest + length)

    def one(
        step: tf.Tensor, tokens: tf.Tensor, repeated: tf.Tensor, states: list[list[tf.Tensor]]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, list[list[tf.Tensor]]]:
        ids = tf.gather(tokens, step, axis=1)  # (n)
        output, states = network.step(ids, states)
        logits = network.token_logits(network.project('forward', output))
        repeated = _repeated(tokens, ids, repeated, places < step)
        logits -= _FAR * _completing(tokens, repeated, places < step, draw.no_repeat, tf.shape(logits)[1])
        drawn = _draw(logits, draw, tf.stack([draw.seed, step]))
        given = tf.gather(tokens, step + 1, axis=1)
        following = tf.where(step + 1 < lengths, given, drawn)
        at = tf.stack([tf.range(batch), tf.fill([batch], step + 1)], axis=1)
        return step + 1, tf.tensor_scatter_nd_update(tokens, at, following), repeated, states

    shapes = tf.nest.map_structure(lambda state: tf.TensorShape([None, state.shape[-1]]), states)
    grid = tf.TensorShape([None, None])
    _, tokens, *_ = tf.while_loop(
        lambda step, *_: step < longest - 1 + length,
        one,
        (0, tokens, tf.zeros_like(tokens), states),
        shape_invariants=(tf.TensorShape([]), grid, grid, shapes),
    )
    return tf.gather(tokens, lengths[:, None] + tf.range(length)[None, :], batch_dims=1)


def _repeated(tokens: tf.Tensor, ids: tf.Tensor, before: tf.Tensor, earlier: tf.Tensor) -> tf.Tensor:
    """How many tokens that end at each earlier place are the same as those that end at this step: int32 (n, time).

    One more than a step ago at the place before, where the token is the same again; so no step looks back far.

    Args:
        tokens: int32 (n, time), what is written.
        ids: int32 (n), the token of this step.
        before: what this function gave a step ago.
        earlier: bool (time), the places before this step.
    """
    same = (tokens == ids[:, None]) & earlier
    return tf.where(same, tf.pad(before[:, :-1], [[0, 0], [1, 0]]) + 1, 0)


def _completing(
    tokens: tf.Tensor, repeated: tf.Tensor, earlier: tf.Tensor, no_repeat: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """1 for the tokens that came after `no_repeat` − 1 tokens as the last ones are, else 0: float (n, size)."""
    found = (no_repeat > 0) & (repeated >= no_repeat - 1) & earlier
    rows = tf.broadcast_to(tf.range(tf.shape(tokens)[0])[:, None], tf.shape(tokens[:, 1:]))
    at = tf.stack([rows, tokens[:, 1:]], axis=2)
    counts = tf.scatter_nd(at, tf.cast(found[:, :-1], tf.float32), [tf.shape(tokens)[0], size])
    return tf.minimum(counts, 1.0)


def _draw(logits: tf.Tensor, draw: Draw, seed: tf.Tensor) -> tf.Tensor:
    """One id a row from (n, vocabulary) logits, none of the special tokens."""
    logits = logits / tf.maximum(draw.temperature, _TINY)
    allowed = tf.range(tf.shape(logits)[1]) >= len(SPECIAL_TOKENS)
    logits = tf.where(allowed[None, :], logits, logits.dtype.min)
    probabilities = tf.nn.softmax(logits)
    kept = probabilities >= _least_kept(probabilities, draw.top_k, draw.top_p)
    # The Gumbel trick: the largest of logits plus this noise is a draw from their softmax.
    uniform = tf.random.stateless_uniform(tf.shape(logits), seed, minval=_TINY, maxval=1.0)
    noise = tf.where(draw.temperature > 0, -tf.math.log(-tf.math.log(uniform)), 0.0)
    chosen = tf.argmax(tf.where(kept, logits, logits.dtype.min) + noise, axis=1)
    return tf.cast(chosen, tf.int32)


def _least_kept(probabilities: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor) -> tf.Tensor:
    """The smallest probability that `top_k` and `top_p` leave in each row: float (n, 1)."""
    size = tf.shape(probabilities)[1]
    most = tf.where(top_k > 0, tf.minimum(top_k, size), size)
    few = tf.minimum(most, _FEW)
    likeliest = tf.math.top_k(probabilities, few).values
    enough = (few == most) | tf.reduce_all(tf.reduce_sum(likeliest, axis=1) >= top_p)
    ranked = tf.cond(enough, lambda: likeliest, lambda: tf.math.top_k(probabilities, most).values)
    # Every token is kept before which less than `top_p` has been gathered; so the likeliest always is.
    kept = tf.cumsum(ranked, axis=1, exclusive=True) < top_p
    return tf.reduce_min(tf.where(kept, ranked, 1.0), axis=1, keepdims=True)
