"""The network together with what it is trained for: usable with `compile` and `fit` on every Keras backend."""

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

    Language is the mean over the directions.

    `fit` wants batches `(ids, labels)`: int (batch, time) padded with 0, float (batch) from 0 to 1, −1 for none.
    In evaluation the softmax is always the full one. Where several replicas learn together, their gradients are added
    up: each minimises its part of the mean over them.
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
        self.draw_seed = keras.random.SeedGenerator(seed)
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
        return [*super().metrics, *self.trackers.values()]

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Any = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        labelled = ops.cast(y >= 0, 'float32')
        count = ops.sum(labelled)
        sentiment = sentiment_loss(y_pred['sentiment'], y)
        right = ops.cast((y_pred['sentiment'] > 0) == (y > 0.5), 'float32')
        self.trackers['sentiment_loss'].update_state(sentiment, sample_weight=count)
        self.trackers['accuracy'].update_state(right, sample_weight=labelled)
        loss = self.sentiment_weight * sentiment
        if self.language_weight:
            candidates = self.softmax_candidates if training else 0
            language = language_loss(self, y_pred, x, candidates, self.draw_seed)
            tokens = ops.sum(ops.cast(x[:, 1:] != PAD_ID, 'float32'))
            for direction, each in language.items():
                self.trackers[f'{direction}_loss'].update_state(each, sample_weight=tokens)
            loss = loss + self.language_weight * sum(language.values()) / len(language)
        return loss / self.replicas
