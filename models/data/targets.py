"""The targets of the classifier: what the label, the rating and the probabilities of a row say, for each kind of label.

The target of a binary row is one number. That of other rows is a vector with a number for each class. It is kept as
the pairs of its numbers that are not 0, and written out for a batch at a time: a million rows of a thousand classes
would need 4 GB.
"""

from typing import Any

import tensorflow as tf

from vaiven.label_spec import NO_CLASS, LabelSpec
from vaiven.models.data.preprocessing import LABEL, NO_LABEL, PROBABILITIES, RATING

# However weak its rating is, a soft label stays on the side of one half that the hard label says.
MIN_CONFIDENCE = 0.51
# The pairs of a row: `columns` int32 (pairs), `shares` float (pairs). Column 0 is padding, the columns 1 to k are those
# of the classes, and column k + 1 says that the row belongs to no class. A row without columns above 0 is unlabelled.
COLUMNS, SHARES = 'columns', 'shares'

# A float () for binary labels, otherwise the pairs of a row.
Target = Any


def row_target(example: dict[str, tf.Tensor], labels: LabelSpec, soft_labels: float) -> Target:
    """Computes the target of a row.

    Args:
        example: features of a row, as `read_features` yields them.
        labels: kind and classes.
        soft_labels: slope of `soft_label`; 0 to ignore the ratings.

    Returns:
        Of a binary row the probability of the second class, float (), −1 if it is unlabelled. Otherwise the pairs of
        the row.
    """
    label, probabilities = example[LABEL], example[PROBABILITIES]
    has_probabilities = tf.size(probabilities) > 0
    if labels.kind == 'binary':
        return tf.cond(
            has_probabilities,
            lambda: probabilities[-1],
            lambda: soft_label(label, example[RATING], soft_labels),
        )
    columns, shares = tf.cond(
        has_probabilities,
        lambda: _from_probabilities(probabilities, labels),
        lambda: _from_label(label, example[RATING], labels, soft_labels),
    )
    return {COLUMNS: columns, SHARES: shares}


def _from_probabilities(probabilities: tf.Tensor, labels: LabelSpec) -> tuple[tf.Tensor, tf.Tensor]:
    if labels.kind != 'multilabel':
        probabilities /= tf.reduce_sum(probabilities)
    return tf.range(1, labels.size + 1), probabilities


def _from_label(
    label: tf.Tensor, rating: tf.Tensor, labels: LabelSpec, soft_labels: float
) -> tuple[tf.Tensor, tf.Tensor]:
    if labels.kind == 'multilabel':
        columns = tf.cast(tf.where(label == NO_CLASS, float(labels.size), label), tf.int32) + 1
        return columns, tf.ones_like(columns, tf.float32)
    hard = tf.cast(label, tf.int32)[None] + 1, tf.constant([1.0])
    if labels.kind == 'multiclass' or not soft_labels:
        return hard
    pairs: tuple[tf.Tensor, tf.Tensor] = tf.cond(
        (label >= 0) & ~tf.math.is_nan(rating), lambda: _neighbours(rating, labels), lambda: hard
    )
    return pairs


def _neighbours(rating: tf.Tensor, labels: LabelSpec) -> tuple[tf.Tensor, tf.Tensor]:
    """Divides a row between the two classes beside its rating: of 3.25 stars, a quarter belongs to four stars."""
    position = (rating + 1) / 2 * (labels.size - 1)
    lower = tf.clip_by_value(tf.floor(position), 0, labels.size - 2)
    share = tf.clip_by_value(position - lower, 0, 1)
    return tf.cast(lower, tf.int32) + tf.constant([1, 2]), tf.stack([1 - share, share])


def soft_label(label: tf.Tensor, rating: tf.Tensor, slope: float) -> tf.Tensor:
    """Computes the target probability of «positive» from a hard label and a rating.

    The label decides the side of one half, the rating the distance from it: a review with five stars is a clearer
    example than one with four.

    Args:
        label: float (…): 1 positive, 0 negative, −1 unlabelled, which is returned unchanged.
        rating: float (…), from −1 to 1; where it is NaN, the label is returned unchanged.
        slope: slope of the logistic function of the rating; 0 returns every label unchanged.

    Returns:
        float (…).
    """
    confidence = tf.maximum(tf.sigmoid(slope * tf.abs(rating)), MIN_CONFIDENCE)
    soft = tf.where(label > 0, confidence, 1 - confidence)
    return tf.where((slope > 0) & (label >= 0) & ~tf.math.is_nan(rating), soft, label)


def target_shapes(labels: LabelSpec) -> Any:
    """Returns the shapes of a row's target, for padded batches."""
    return [] if labels.kind == 'binary' else {COLUMNS: [None], SHARES: [None]}


def batch_targets(target: Target, labels: LabelSpec) -> tf.Tensor:
    """Writes the targets of a padded batch out.

    Args:
        target: of binary labels (batch), otherwise the pairs of the rows, each (batch, pairs).
        labels: kind and classes.

    Returns:
        float, (batch) of binary labels, otherwise (batch, classes). An unlabelled row is −1.
    """
    if labels.kind == 'binary':
        return target
    columns, shares = target[COLUMNS], target[SHARES]  # (batch, pairs)
    batch = tf.shape(columns)[0]
    rows = tf.broadcast_to(tf.range(batch)[:, None], tf.shape(columns))
    dense = tf.scatter_nd(tf.stack([rows, columns], axis=-1), shares, [batch, labels.size + 2])
    is_labelled = tf.reduce_any(columns > 0, axis=1, keepdims=True)  # (batch, 1)
    dense = tf.where(is_labelled, dense[:, 1:-1], float(NO_LABEL))
    return tf.ensure_shape(dense, [None, labels.size])


def has_target(example: dict[str, tf.Tensor]) -> tf.Tensor:
    """Whether a row, as `read_features` yields it, is labelled or has probabilities: bool ()."""
    label, probabilities = example[LABEL], example[PROBABILITIES]
    return tf.reduce_any(label != NO_LABEL) | (tf.size(probabilities) > 0)
