"""The losses of training: labels, and language in both directions."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from vaiven.label_spec import LabelSpec
from vaiven.models.network.heads import is_labelled, ordinal_log_probabilities
from vaiven.models.network.layers import Tensor, reverse_sequences, slice_time
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import PAD_ID


def label_loss(
    labels: LabelSpec,
    logits: Tensor,
    targets: Tensor,
    class_weights: np.ndarray | None = None,
    row_weights: Tensor | None = None,
) -> Tensor:
    """Computes the cross-entropy of the labels in nats, mean over the labelled rows.

    Args:
        labels: kind and classes.
        logits: as in `vaiven.models.network.heads`.
        targets: float; binary: (batch), probability of the second class; otherwise (batch, classes), a distribution or,
            for multilabel labels, a probability of each class. An unlabelled row is −1.
        class_weights: factor of each class's part of the loss; None for 1. Of multilabel labels only the parts of the
            rows that belong to a class are multiplied.
        row_weights: factor of each row's loss, (batch); None for 1. The mean is over the number of rows.

    Returns:
        float (); 0 if no row is labelled.
    """
    labelled = ops.cast(is_labelled(targets), logits.dtype)  # (batch)
    targets = ops.cast(ops.maximum(targets, 0), logits.dtype)
    weights = None if class_weights is None else ops.convert_to_tensor(class_weights, logits.dtype)
    row_losses = _row_losses(labels, logits, targets, weights)
    if row_weights is not None:
        row_losses *= ops.cast(row_weights, logits.dtype)
    return ops.sum(row_losses * labelled) / ops.maximum(ops.sum(labelled), 1.0)


def _row_losses(labels: LabelSpec, logits: Tensor, targets: Tensor, class_weights: Tensor | None) -> Tensor:
    if labels.kind in ('multiclass', 'ordinal'):
        log_of = ops.log_softmax if labels.kind == 'multiclass' else ordinal_log_probabilities
        products = targets * log_of(logits)  # (batch, classes)
        return -ops.sum(products if class_weights is None else products * class_weights, axis=-1)
    # −t · log σ(x) − (1 − t) · log(1 − σ(x)) = softplus(x) − t · x, without overflow.
    if class_weights is None:
        losses = ops.softplus(logits) - targets * logits
    elif labels.kind == 'binary':
        positive = class_weights[1] * targets * ops.softplus(-logits)
        losses = positive + class_weights[0] * (1 - targets) * ops.softplus(logits)
    else:
        losses = class_weights * targets * ops.softplus(-logits) + (1 - targets) * ops.softplus(logits)
    return losses if labels.kind == 'binary' else ops.sum(losses, axis=-1)


def language_loss(
    network: Network, outputs: dict[str, Tensor], ids: Tensor, candidates: int, seed: Any
) -> dict[str, Tensor]:
    """Computes the mean cross-entropy in nats per predicted token, for each direction.

    Args:
        network: provides the softmax.
        outputs: what the network returned for `ids`.
        ids: int (batch, time), right-padded with 0.
        candidates: tokens of the sampled softmax, as for `draw_candidates`; 0 for the full softmax.
        seed: a `keras.random.SeedGenerator`.

    Returns:
        Losses, float (), by direction.
    """
    ids = ops.cast(ids, 'int32')
    lengths = ops.sum(ops.cast(ids != PAD_ID, 'int32'), axis=1)  # (batch)
    steps = ops.shape(ids)[1] - 1
    sampled = draw_candidates(network, candidates, seed)
    losses = {}
    for direction in network.directions:
        targets, vectors = ids, outputs['vectors']
        if direction == 'backward':
            targets, vectors = reverse_sequences(targets, lengths), reverse_sequences(vectors, lengths)
        # The state after step t predicts the token of step t + 1.
        losses[direction] = cross_entropy(
            network,
            slice_time(outputs[direction], 0, steps),
            targets[:, 1:],
            slice_time(vectors, 1, steps),
            sampled,
        )
    return losses


class Candidates(NamedTuple):
    """Tokens that represent the whole vocabulary in a sampled softmax.

    Attributes:
        ids: int (candidates).
        vectors: their `token_vectors`, (candidates, embedding_size).
        bias: their softmax bias, minus the logarithm of their expected number of draws, (candidates).
    """

    ids: Tensor
    vectors: Tensor
    bias: Tensor


def draw_candidates(network: Network, candidates: int, seed: Any) -> Candidates | None:
    """Draws the tokens of a sampled softmax (importance sampling, Bengio & Senécal 2003).

    They are drawn for each batch and shared by all its steps. Ids are in the order of frequency, so a log-uniform
    distribution over the ids is close to the unigram distribution (Zipf's law).

    Args:
        network: provides vectors and bias.
        candidates: number of tokens to draw.
        seed: a `keras.random.SeedGenerator`.

    Returns:
        The candidates; None for the full softmax, if `candidates` is 0 or not below the size of the vocabulary, or if
        the softmax is not tied to the embedding.
    """
    size = network.vocabulary_size
    if not network.tied or not 0 < candidates < size:
        return None
    # Log-uniform over the ids from 1: 0 is padding, which is never predicted.
    uniform = keras.random.uniform((candidates,), seed=seed)
    ids = ops.cast(ops.clip(ops.floor(ops.exp(uniform * ops.log(float(size)))), 1, size - 1), 'int32')
    rank = ops.cast(ids, 'float32')
    probability = ops.log((rank + 1) / rank) / ops.log(float(size))
    bias = ops.take(network.softmax_bias, ids) - ops.log(probability * candidates)
    return Candidates(ids, network.token_vectors(ids), bias)


def cross_entropy(
    network: Network, projected: Tensor, targets: Tensor, vectors: Tensor, sampled: Candidates | None
) -> Tensor:
    """Computes the mean cross-entropy over the targets that are not padding, in nats.

    Args:
        network: provides the softmax.
        projected: (batch, time, embedding_size), output of `Network.project`.
        targets: int (batch, time), 0 for padding.
        vectors: `token_vectors` of the targets, (batch, time, embedding_size).
        sampled: tokens of a sampled softmax; None for the full softmax.

    Returns:
        float ().
    """
    vectors, targets = network.target_vectors(targets, vectors), network.as_targets(targets)
    weights = ops.cast(targets != PAD_ID, 'float32')  # (batch, time)
    if sampled is None:
        token_losses = keras.losses.sparse_categorical_crossentropy(
            targets, network.token_logits(projected), from_logits=True
        )
    else:
        products = ops.cast(projected, 'float32') * ops.cast(vectors, 'float32')
        target_logits = ops.sum(products, axis=-1) + ops.take(network.softmax_bias, targets)  # (batch, time)
        candidate_vectors = ops.transpose(ops.cast(sampled.vectors, projected.dtype))
        other_logits = ops.cast(ops.matmul(projected, candidate_vectors), 'float32') + sampled.bias
        # A target that was drawn as a candidate counts once.
        other_logits = ops.where(targets[:, :, None] == sampled.ids, -1e4, other_logits)
        logits = ops.concatenate([target_logits[:, :, None], other_logits], axis=-1)
        token_losses = ops.logsumexp(logits, axis=-1) - target_logits
    return ops.sum(token_losses * weights) / ops.maximum(ops.sum(weights), 1.0)
