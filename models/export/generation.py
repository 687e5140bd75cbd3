"""Text generation inside the graph: one loop produces all tokens, so that one call to the server is enough."""

from typing import NamedTuple

import tensorflow as tf

from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import PAD_ID, SPECIAL_TOKENS

MAX_LENGTH = 10_000
# Keeps logarithms and divisions finite.
_EPSILON = 1e-6
# Subtracted from the logits of tokens that would repeat an n-gram. Special tokens get the lowest float instead, so that
# a repeating token is still drawn if every other one is a special token.
_REPEAT_PENALTY = 1e4
# The most probable tokens that are sorted first. They nearly always contain the nucleus, and sorting the whole
# vocabulary is slow.
_SORTED_FIRST = 1024


class SamplingOptions(NamedTuple):
    """How the next token is chosen; each option is a scalar.

    Attributes:
        temperature: float; the logits are divided by it. 0 always takes the most probable token.
        top_p: float in (0, 1]; draws only from the smallest set of most probable tokens with this total probability
            (nucleus sampling, Holtzman et al. 2020).
        top_k: int; draws only from this many most probable tokens (Fan et al. 2018). 0 for all.
        no_repeat: int; n-grams of this many tokens are not repeated, wherever they occur (Paulus et al. 2018, with 3
            words). 0 for no limit.
        seed: int; the same seed, prompt and options produce the same text.
    """

    temperature: tf.Tensor
    top_p: tf.Tensor
    top_k: tf.Tensor
    no_repeat: tf.Tensor
    seed: tf.Tensor


def generate(network: Network, prompts: tf.Tensor, length: tf.Tensor, options: SamplingOptions) -> tf.Tensor:
    """Draws `length` tokens after each prompt.

    One loop reads the prompts and generates: the input of a step is the prompt's token while there is one, and the
    token just drawn after that. `[EOS]` is never drawn.

    Args:
        network: its forward direction is the language model.
        prompts: int32 (n, time), with `[BOS]`, without `[EOS]`, right-padded with 0.
        length: int32 (), at most `MAX_LENGTH`.
        options: how tokens are chosen.

    Returns:
        int32 (n, length).
    """
    batch, longest = tf.shape(prompts)[0], tf.shape(prompts)[1]
    lengths = tf.reduce_sum(tf.cast(prompts != PAD_ID, tf.int32), axis=1)  # (n)
    state = network.initial_state(batch)
    tokens = tf.pad(prompts, [[0, 0], [0, length]])  # (n, longest + length)
    positions = tf.range(longest + length)

    def next_token(
        step: tf.Tensor, tokens: tf.Tensor, matches: tf.Tensor, state: list[list[tf.Tensor]]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, list[list[tf.Tensor]]]:
        ids = tf.gather(tokens, step, axis=1)  # (n)
        output, state = network.step(ids, state)  # (n, units)
        logits = network.token_logits(network.project('forward', output))  # (n, vocabulary)
        matches = _match_lengths(tokens, ids, matches, positions < step)
        repeating = _repeating_tokens(
            network.as_targets(tokens), matches, positions < step, options.no_repeat, tf.shape(logits)[1]
        )
        logits -= _REPEAT_PENALTY * repeating
        # The step is part of the seed: otherwise every step would draw the same noise.
        drawn = _draw(logits, options, tf.stack([options.seed, step]))
        prompt_ids = tf.gather(tokens, step + 1, axis=1)
        next_ids = tf.where(step + 1 < lengths, prompt_ids, drawn)
        index = tf.stack([tf.range(batch), tf.fill([batch], step + 1)], axis=1)  # (n, 2)
        return step + 1, tf.tensor_scatter_nd_update(tokens, index, next_ids), matches, state

    state_shapes = tf.nest.map_structure(lambda values: tf.TensorShape([None, values.shape[-1]]), state)
    matrix = tf.TensorShape([None, None])
    _, tokens, *_ = tf.while_loop(
        lambda step, *_: step < longest - 1 + length,
        next_token,
        (0, tokens, tf.zeros_like(tokens), state),
        shape_invariants=(tf.TensorShape([]), matrix, matrix, state_shapes),
    )
    return tf.gather(tokens, lengths[:, None] + tf.range(length)[None, :], batch_dims=1)


def _match_lengths(
    tokens: tf.Tensor, ids: tf.Tensor, previous: tf.Tensor, is_earlier: tf.Tensor
) -> tf.Tensor:
    """Counts how many tokens up to each earlier position equal the tokens up to this step: int32 (n, time).

    Where the token is the same, it is one more than at the position before, one step ago. So no step looks further
    back than one token.

    Args:
        tokens: int32 (n, time), the text so far.
        ids: int32 (n), the token of this step.
        previous: int32 (n, time), the counts of the previous step.
        is_earlier: bool (time), whether a position is before this step.
    """
    is_same = (tokens == ids[:, None]) & is_earlier
    return tf.where(is_same, tf.pad(previous[:, :-1], [[0, 0], [1, 0]]) + 1, 0)


def _repeating_tokens(
    tokens: tf.Tensor, matches: tf.Tensor, is_earlier: tf.Tensor, no_repeat: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """Returns 1 for tokens that would complete a repeated n-gram of `no_repeat` tokens, else 0: float (n, size).

    Args:
        tokens: int32 (n, time), the text so far.
        matches: int32 (n, time), from `_match_lengths`.
        is_earlier: bool (time), whether a position is before this step.
        no_repeat: int32 (), 0 for no limit.
        size: int32 (), number of ids.
    """
    has_match = (no_repeat > 0) & (matches >= no_repeat - 1) & is_earlier  # (n, time)
    rows = tf.broadcast_to(tf.range(tf.shape(tokens)[0])[:, None], tf.shape(tokens[:, 1:]))
    index = tf.stack([rows, tokens[:, 1:]], axis=2)  # (n, time - 1, 2): the token after each position
    counts = tf.scatter_nd(index, tf.cast(has_match[:, :-1], tf.float32), [tf.shape(tokens)[0], size])
    return tf.minimum(counts, 1.0)


def _draw(logits: tf.Tensor, options: SamplingOptions, seed: tf.Tensor) -> tf.Tensor:
    """Draws one id per row from logits (n, vocabulary), never a special token: int32 (n)."""
    logits = logits / tf.maximum(options.temperature, _EPSILON)
    is_allowed = tf.range(tf.shape(logits)[1]) >= len(SPECIAL_TOKENS)
    logits = tf.where(is_allowed[None, :], logits, logits.dtype.min)
    probabilities = tf.nn.softmax(logits)
    is_kept = probabilities >= _min_kept_probability(probabilities, options.top_k, options.top_p)
    # Gumbel-max trick: the maximum of logits plus this noise is a draw from their softmax.
    uniform = tf.random.stateless_uniform(tf.shape(logits), seed, minval=_EPSILON, maxval=1.0)
    noise = tf.where(options.temperature > 0, -tf.math.log(-tf.math.log(uniform)), 0.0)
    chosen = tf.argmax(tf.where(is_kept, logits, logits.dtype.min) + noise, axis=1)
    return tf.cast(chosen, tf.int32)


def _min_kept_probability(probabilities: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor) -> tf.Tensor:
    """Returns the smallest probability in each row that `top_k` and `top_p` keep: float (n, 1)."""
    size = tf.shape(probabilities)[1]
    limit = tf.where(top_k > 0, tf.minimum(top_k, size), size)
    first = tf.minimum(limit, _SORTED_FIRST)
    highest = tf.math.top_k(probabilities, first).values
    is_enough = (first == limit) | tf.reduce_all(tf.reduce_sum(highest, axis=1) >= top_p)
    ranked = tf.cond(is_enough, lambda: highest, lambda: tf.math.top_k(probabilities, limit).values)
    # A token is kept if those before it sum to less than `top_p`; so the first one always is.
    is_kept = tf.cumsum(ranked, axis=1, exclusive=True) < top_p
    return tf.reduce_min(tf.where(is_kept, ranked, 1.0), axis=1, keepdims=True)
