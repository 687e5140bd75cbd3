"""The network: a bidirectional language model that also classifies texts.

Both directions of the language model together encode the text for the classifier.

 ids ─┬─ forward layers  ─┬─ [last, max, mean] ── head of the labels ┬─ stacked, calibrated
      └─ backward layers ─┘                                          │  (Howard & Ruder 2018)
 n-grams ── wide path ───────────────────────────────────────────────┘  (Cheng et al. 2016)
"""

from typing import Any

import keras
from keras import ops

from vaiven.label_spec import SENTIMENT_LABELS, LabelSpec
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.encoder import Encoder
from vaiven.models.network.heads import OrderedThresholds, initial_combination, label_probabilities
from vaiven.models.network.layers import MaskedPooling, Tensor
from vaiven.models.network.wide import WideNgrams


class Network(Encoder):
    """Computes logits of labels and language for batches of token ids.

    Args:
        config: sizes and dropout.
        vocabulary_size: number of ids; 0 is padding.
        labels: kind and classes of the labels.
        use_cudnn: `False` builds the same network without cuDNN operations, for export to machines without a GPU.
        seed: seed of the initial weights and of dropout.
    """

    def __init__(
        self,
        config: NetworkConfig,
        vocabulary_size: int,
        *,
        labels: LabelSpec = SENTIMENT_LABELS,
        use_cudnn: bool | str = 'auto',
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Each layer takes the next seed, so a new layer must come after the others: it would change their weights.
        seeds = iter(range(seed * 1000, seed * 1000 + 1000))
        super().__init__(config, vocabulary_size, seeds, use_cudnn=use_cudnn, **kwargs)
        self.labels = labels
        # The pooling and the head compute in 32 bits under mixed precision too: they sum over a whole text.
        self.pooling = MaskedPooling(name='pooling', dtype='float32')
        self.head_dropout = keras.layers.Dropout(
            config.head_dropout, seed=next(seeds), name='head_dropout', dtype='float32'
        )
        is_ordinal = labels.kind == 'ordinal'
        self.sentiment = keras.layers.Dense(
            labels.logits,
            use_bias=not is_ordinal,  # the thresholds take its place
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            name='sentiment',
            dtype='float32',
        )
        self.thresholds = None
        if is_ordinal:
            self.thresholds = OrderedThresholds(labels.size - 1, name='thresholds', dtype='float32')
        self.wide = None
        if config.wide_ngrams:
            self.wide = WideNgrams(config.wide_ngrams, labels.logits, name='wide')
            self.wide.build((None, None))
        # a, b, c of logits = a · recurrent + b · wide + c; fitted by `vaiven.models.training.stacking`.
        combination = initial_combination(labels)
        self.combination = self.add_weight(
            shape=combination.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(combination, dtype=dtype),
            trainable=False,
            name='combination',
        )

    def pool(self, outputs: dict[str, Tensor], lengths: Tensor) -> Tensor:
        """Pools the outputs of `encode` to the text's vector, (batch, directions · 3 · units).

        «Last» is the step at which each direction ends its reading.
        """
        return ops.concatenate([self.pooling(values, lengths) for values in outputs.values()], axis=-1)

    def path_logits(self, ids: Tensor, ngrams: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the logits of the recurrent and of the wide path, each (batch), or (batch, classes) if not one.

        `ids` int (batch, time) and `ngrams` int (batch, n-grams) are right-padded with 0. Of ordinal labels, a path has
        one score; the thresholds are subtracted later.
        """
        recurrent = self.recurrent_logits(ids)
        return recurrent, self.wide(ngrams) if self.wide is not None else ops.zeros_like(recurrent)

    def recurrent_logits(self, ids: Tensor) -> Tensor:
        """Computes the logits of the recurrent path, as in `path_logits`, from ids (batch, time)."""
        return self.pooled_logits(self.pool(*self.encode(ids)))

    def pooled_logits(self, pooled: Tensor, training: bool = False) -> Tensor:
        """Computes the logits of the recurrent path, as in `path_logits`, from the vectors that `pool` returns."""
        logits = self.sentiment(self.head_dropout(pooled, training=training))
        return ops.squeeze(logits, axis=-1) if self.labels.logits == 1 else logits

    def label_logits(self, ids: Tensor, ngrams: Tensor) -> Tensor:
        """Computes the logits of both paths, as in `heads`, from ids (batch, time) and n-grams (batch, n)."""
        return self.combined_logits(*self.path_logits(ids, ngrams))

    def combined_logits(self, recurrent: Tensor, wide: Tensor) -> Tensor:
        """Computes the logits of the labels, as in `heads`, from those of the paths, as in `path_logits`."""
        if self.thresholds is not None:
            recurrent, wide = ops.expand_dims(recurrent, -1), ops.expand_dims(wide, -1)
        return self.combination[0] * recurrent + self.combination[1] * wide + self.combination[2]

    def probabilities(self, ids: Tensor, ngrams: Tensor) -> Tensor:
        """Computes the probability of each class, (batch, classes), from ids (batch, time) and n-grams (batch, n)."""
        return label_probabilities(self.labels, self.label_logits(ids, ngrams))

    def call(self, ids: Tensor, training: bool = False) -> dict[str, Tensor]:
        """Computes everything that gradient descent trains, from ids int (batch, time), right-padded with 0.

        Returns:
            `sentiment`: the logits of the recurrent path, as in `heads`. For each direction the projected outputs
            (batch, time, embedding_size) in its own reading order, from which `token_logits` predicts the next token.
            `vectors` (batch, time, embedding_size) of the tokens: the losses need them, and with subwords they are
            expensive.
        """
        ids = ops.cast(ids, 'int32')
        vectors = self.token_vectors(ids)
        outputs, lengths = self.encode(ids, training, vectors)
        language = {
            direction: self.project(direction, self.between_dropout(values, training=training))
            for direction, values in outputs.items()
        }
        score = self.pooled_logits(self.pool(outputs, lengths), training)
        sentiment = score if self.thresholds is None else self.thresholds(score)
        return {'sentiment': sentiment, 'vectors': vectors, **language}
