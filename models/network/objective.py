"""The network with its joint loss: usable with `compile` and `fit` on every Keras backend."""

from typing import Any

import keras
import numpy as np
from keras import ops

from vaiven.label_spec import SENTIMENT_LABELS, LabelSpec
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.heads import is_correct, is_labelled
from vaiven.models.network.layers import Tensor
from vaiven.models.network.losses import label_loss, language_loss
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import PAD_ID


class JointNetwork(Network):
    """Minimises `sentiment_weight · sentiment + language_weight · language`, in nats.

    The language loss is the mean over the directions. `fit` takes batches `(ids, labels)`: int (batch, time)
    right-padded with 0, and targets as for `label_loss`, −1 for an unlabelled row. Evaluation always uses the full
    softmax. With several replicas the gradients are summed, so each replica minimises its share of the mean.

    Args:
        config: sizes and dropout.
        vocabulary_size: number of ids.
        language_weight: λ of the language loss; 0 leaves it out.
        softmax_candidates: tokens of the sampled softmax in training; 0 for the full softmax.
        replicas: number of devices that train together.
        labels: kind and classes of the labels.
        class_weights: factor of each class in the loss, as for `label_loss`; None for 1.
        seed: seed of the initial weights, of dropout and of the sampled softmax.
    """

    def __init__(
        self,
        config: NetworkConfig,
        vocabulary_size: int,
        *,
        language_weight: float,
        softmax_candidates: int,
        replicas: int = 1,
        labels: LabelSpec = SENTIMENT_LABELS,
        class_weights: np.ndarray | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, vocabulary_size, labels=labels, seed=seed, **kwargs)
        self.sentiment_weight = 1.0
        self.language_weight = language_weight
        self.softmax_candidates = softmax_candidates
        self.replicas = replicas
        self.class_weights = class_weights
        self.candidate_seed = keras.random.SeedGenerator(seed)
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in (
                'sentiment_loss',
                'accuracy',
                *(f'{direction}_loss' for direction in self.directions),
            )
        }

    @property
    def metrics(self) -> list[keras.Metric]:
        """The metrics that Keras resets at the start of each epoch."""
        return [*super().metrics, *self.trackers.values()]

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Any = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Computes the joint loss and updates the metrics; called by Keras.

        Args:
            x: ids, int (batch, time).
            y: targets, float (batch) or (batch, classes).
            y_pred: outputs of the network.
            sample_weight: factor of each row's label loss, (batch); None for 1.
            training: whether the softmax may be sampled.

        Returns:
            float ().
        """
        labelled = is_labelled(y)  # (batch)
        count = ops.sum(labelled)
        sentiment = label_loss(self.labels, y_pred['sentiment'], y, self.class_weights, sample_weight)
        correct = is_correct(self.labels, y_pred['sentiment'], y)  # (batch)
        self.trackers['sentiment_loss'].update_state(sentiment, sample_weight=count)
        self.trackers['accuracy'].update_state(correct, sample_weight=labelled)
        loss = self.sentiment_weight * sentiment
        if self.language_weight:
            candidates = self.softmax_candidates if training else 0
            language = language_loss(self, y_pred, x, candidates, self.candidate_seed)
            # Every token but the first of each text is predicted once per direction.
            tokens = ops.sum(ops.cast(x[:, 1:] != PAD_ID, 'float32'))
            for direction, direction_loss in language.items():
                self.trackers[f'{direction}_loss'].update_state(direction_loss, sample_weight=tokens)
            loss = loss + self.language_weight * sum(language.values()) / len(language)
        return loss / self.replicas
