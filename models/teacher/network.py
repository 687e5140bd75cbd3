"""The network that is fine-tuned: the encoder and a head for the labels."""

from typing import Any

import keras
import numpy as np
from keras import ops

from vaiven.label_spec import LabelSpec
from vaiven.models.network.heads import OrderedThresholds, is_correct, is_labelled, label_probabilities
from vaiven.models.network.layers import Tensor
from vaiven.models.network.losses import label_loss
from vaiven.models.teacher.encoder import Encoder


class TeacherNetwork(keras.Model):
    """Logits of the labels, as in the table of `vaiven.models.network.heads`. It computes its own loss.

    Args:
        encoder: with its weights.
        labels: kind and classes.
        dropout: of the vector that the head reads.
    """

    def __init__(self, encoder: Encoder, labels: LabelSpec, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.labels = encoder, labels
        self.head_dropout = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(labels.logits, name='head')
        is_ordinal = labels.kind == 'ordinal'
        self.thresholds = OrderedThresholds(labels.size - 1, name='thresholds') if is_ordinal else None
        self.accuracy = keras.metrics.Mean(name='accuracy')
        self(np.ones((1, 2), np.int32))  # builds all weights

    @property
    def metrics(self) -> list[keras.Metric]:
        """The metrics that Keras resets at the start of each epoch."""
        return [*super().metrics, self.accuracy]

    def call(self, ids: Tensor, training: bool = False) -> Tensor:
        """Computes the logits.

        Args:
            ids: int (batch, time), right-padded with 0.
            training: whether to drop out.
        """
        # Both halves of the batch are computed in parallel: `share_cores` gives an operation half of the cores.
        middle = ops.shape(ids)[0] // 2
        halves = [self.encoder(half, training=training) for half in (ids[:middle], ids[middle:])]
        vectors = ops.concatenate(halves)  # (batch, units)
        logits = self.head(self.head_dropout(vectors, training=training))
        if self.labels.logits == 1:
            logits = ops.squeeze(logits, axis=-1)
        return logits if self.thresholds is None else self.thresholds(logits)

    def probabilities(self, ids: Tensor) -> Tensor:
        """Computes the probability of each class, (batch, classes).

        Args:
            ids: int (batch, time), right-padded with 0.
        """
        return label_probabilities(self.labels, self(ids))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Computes the cross-entropy in nats and updates the accuracy; called by Keras.

        Args:
            x: ids, int (batch, time).
            y: targets, as for `label_loss`.
            y_pred: logits.
            sample_weight: without effect.
            training: without effect.

        Returns:
            float ().
        """
        self.accuracy.update_state(is_correct(self.labels, y_pred, y), sample_weight=is_labelled(y))
        return label_loss(self.labels, y_pred, y)
