"""What training minimises: sentiment + λ · language, both directions."""

from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor, reverse_sequences
from vaiven.models.network.network import Network
from vaiven.models.text import PAD_ID


def sentiment_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy in nats, mean over the rows that have a label (from 0 to 1; −1 is none).

    Args:
        logits, labels: float (batch).
    """
    labelled = ops.cast(labels >= 0, logits.dtype)
    target = ops.cast(ops.maximum(labels, 0), logits.dtype)
    each = ops.softplus(logits) - target * logits
    return ops.sum(each * labelled) / ops.maximum(ops.sum(labelled), 1.0)


def language_loss(
    network: Network, outputs: dict[str, Tensor], ids: Tensor, candidates: int, seed: Any
) -> dict[str, Tensor]:
    """Mean cross-entropy in nats per predicted token, of each direction's model.

    With `candidates` > 0 the softmax's sum over the vocabulary is estimated from that many tokens, drawn anew
    for each batch and shared by all its steps (importance sampling: Bengio & Senécal 2003). Ids are in the order
    of frequency, so the draw is log-uniform. 0 means the sum itself.
    """
    ids = ops.cast(ids, 'int32')
    lengths = ops.sum(ops.cast(ids != PAD_ID, 'int32'), axis=1)
    drawn = draw(network, candidates, seed)
    losses = {}
    for direction in network.directions:
        read, vectors = ids, outputs['vectors']
        if direction == 'backward':
            read, vectors = reverse_sequences(read, lengths), reverse_sequences(vectors, lengths)
        losses[direction] = cross_entropy(
            network, outputs[direction][:, :-1], read[:, 1:], vectors[:, 1:], drawn
        )
    return losses


def draw(network: Network, candidates: int, seed: Any) -> Tensor | None:
    """Tokens for a sampled softmax, int (candidates); None for the full one, which small vocabularies have."""
    if not network.tied or not 0 < candidates < network.vocabulary_size:
        return None
    return _draw(candidates, network.vocabulary_size, seed)


def _draw(count: int, vocabulary_size: int, seed: Any) -> Tensor:
    """Log-uniform over the ids from 1: 0 is padding, which is never predicted."""
    uniform = keras.random.uniform((count,), seed=seed)
    drawn = ops.floor(ops.exp(uniform * ops.log(float(vocabulary_size))))
    return ops.cast(ops.clip(drawn, 1, vocabulary_size - 1), 'int32')


def _log_expected(ids: Tensor, count: int, vocabulary_size: int) -> Tensor:
    ids = ops.cast(ids, 'float32')
    share = ops.log((ids + 1) / ids) / ops.log(float(vocabulary_size))
    return ops.log(share * count)


def cross_entropy(
    network: Network, projected: Tensor, targets: Tensor, vectors: Tensor, drawn: Tensor | None
) -> Tensor:
    """Mean over the targets that are there, in nats.

    Args:
        network: gives the softmax.
        projected: (batch, time, embedding_size).
        targets: int (batch, time), 0 for none.
        vectors: `token_vectors` of the targets, (batch, time, embedding_size).
        drawn: what `draw` gave.
    """
    weight = ops.cast(targets != PAD_ID, 'float32')
    if drawn is None:
        each = keras.losses.sparse_categorical_crossentropy(
            targets, network.token_logits(projected), from_logits=True
        )
    else:
        count, size = drawn.shape[0], network.vocabulary_size
        bias = network.softmax_bias
        own = ops.cast(projected, 'float32') * ops.cast(vectors, 'float32')
        true = ops.sum(own, axis=-1) + ops.take(bias, targets)
        candidates = ops.cast(network.token_vectors(drawn), projected.dtype)
        others = ops.cast(ops.matmul(projected, ops.transpose(candidates)), 'float32') + ops.take(bias, drawn)
        others = others - _log_expected(drawn, count, size)
        hit = ops.cast(targets[:, :, None] == drawn[None, None, :], others.dtype)
        others = others - 1e4 * hit
        each = ops.logsumexp(ops.concatenate([true[:, :, None], others], axis=-1), axis=-1) - true
    return ops.sum(each * weight) / ops.maximum(ops.sum(weight), 1.0)
