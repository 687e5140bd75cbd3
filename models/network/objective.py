"""The network with its joint loss: usable with `compile` and `fit` on every Keras backend."""

from typing import Any

import keras
from keras import ops

from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.layers import Tensor
from vaiven.models.network.losses import language_loss, sentiment_loss
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import PAD_ID


class JointNetwork(Network):
    """Minimises `sentiment_weight · sentiment + language_weight · language`, in nats.

    The language loss is the mean over the directions. `fit` takes batches `(ids, labels)`: int (batch, time)
    right-padded with 0, and float (batch) from 0 to 1, −1 for an unlabelled row. Evaluation always uses the full
    softmax. With several replicas the gradients are summed, so each replica minimises its share of the mean.

    Args:
        config: sizes and dropout.
        vocabulary_size: number of ids.
        language_weight: λ of the language loss; 0 leaves it out.
        softmax_candidates: tokens of the sampled softmax in training; 0 for the full softmax.
        replicas: number of devices that train together.
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
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, vocabulary_size, seed=seed, **kwargs)
        self.sentiment_weight = 1.0
        self.language_weight = language_weight
        self.softmax_candidates = softmax_candidates
        self.replicas = replicas
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
            y: labels, float (batch).
            y_pred: outputs of the network.
            sample_weight: without effect.
            training: whether the softmax may be sampled.

        Returns:
            float ().
        """
        labelled = ops.cast(y >= 0, 'float32')  # (batch)
        count = ops.sum(labelled)
        sentiment = sentiment_loss(y_pred['sentiment'], y)
        correct = ops.cast((y_pred['sentiment'] > 0) == (y > 0.5), 'float32')  # (batch)
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
