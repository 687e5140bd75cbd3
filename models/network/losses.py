"""What training minimises: sentiment + λ · language, both directions."""

from typing import Any, NamedTuple

import keras
from keras import ops

from vaiven.models.network.layers import Tensor, reverse_sequences, span
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import PAD_ID


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
    steps = ops.shape(ids)[1] - 1
    drawn = draw(network, candidates, seed)
    losses = {}
    for direction in network.directions:
        read, vectors = ids, outputs['vectors']
        if direction == 'backward':
            read, vectors = reverse_sequences(read, lengths), reverse_sequences(vectors, lengths)
        losses[direction] = cross_entropy(
            network, span(outputs[direction], 0, steps), read[:, 1:], span(vectors, 1, steps), drawn
        )
    return losses


class Candidates(NamedTuple):
    """Tokens that stand for the whole vocabulary in a sampled softmax.

    Attributes:
        ids: int (candidates).
        vectors: their `token_vectors`, (candidates, embedding_size).
        bias: of the softmax, less the logarithm of how often each is expected in a draw, (candidates).
    """

    ids: Tensor
    vectors: Tensor
    bias: Tensor


def draw(network: Network, candidates: int, seed: Any) -> Candidates | None:
    """What a sampled softmax takes; None for the full one, which small vocabularies have."""
    size = network.vocabulary_size
    if not network.tied or not 0 < candidates < size:
        return None
    # Log-uniform over the ids from 1: 0 is padding, which is never predicted.
    uniform = keras.random.uniform((candidates,), seed=seed)
    ids = ops.cast(ops.clip(ops.floor(ops.exp(uniform * ops.log(float(size)))), 1, size - 1), 'int32')
    number = ops.cast(ids, 'float32')
    share = ops.log((number + 1) / number) / ops.log(float(size))
    bias = ops.take(network.softmax_bias, ids) - ops.log(share * candidates)
    return Candidates(ids, network.token_vectors(ids), bias)


def cross_entropy(
    network: Network, projected: Tensor, targets: Tensor, vectors: Tensor, drawn: Candidates | None
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
        own = ops.cast(projected, 'float32') * ops.cast(vectors, 'float32')
        true = ops.sum(own, axis=-1) + ops.take(network.softmax_bias, targets)
        candidates = ops.transpose(ops.cast(drawn.vectors, projected.dtype))
        others = ops.cast(ops.matmul(projected, candidates), 'float32') + drawn.bias
        # A target that was drawn counts once.
        others = ops.where(targets[:, :, None] == drawn.ids, -1e4, others)
        each = ops.logsumexp(ops.concatenate([true[:, :, None], others], axis=-1), axis=-1) - true
    return ops.sum(each * weight) / ops.maximum(ops.sum(weight), 1.0)
