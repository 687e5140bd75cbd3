"""The signatures of the exported model: each takes raw UTF-8 strings."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from vaiven.models.data.preprocessing import IDS, LABEL, NO_LABEL
from vaiven.models.export.classifier import Classifier
from vaiven.models.export.explain import Explainer
from vaiven.models.export.language import LanguageModel
from vaiven.models.export.text_model import TextModel
from vaiven.models.training.config import Task

# Name → (function, input specification)
Endpoints = dict[str, tuple[Callable[..., Any], list[tf.TensorSpec]]]

_TEXTS = tf.TensorSpec([None], tf.string, name='text')
_GENERATION = [
    tf.TensorSpec([], tf.int32, name='length'),
    tf.TensorSpec([], tf.float32, name='temperature'),
    tf.TensorSpec([], tf.float32, name='top_p'),
    tf.TensorSpec([], tf.int32, name='top_k'),
    tf.TensorSpec([], tf.int32, name='no_repeat'),
    tf.TensorSpec([], tf.int32, name='seed'),
]
_EXAMPLES = tf.TensorSpec([None], tf.string, name='inputs')


class Signatures:
    """The signatures by name.

    A model of the language task has no classifier: its default signature is `score`.

    Args:
        model: network and tokeniser.
        task: the setting `training.task`.
        label_separator: the setting `data.label_separator`.
    """

    def __init__(self, model: TextModel, task: Task = 'sentiment', label_separator: str = '|') -> None:
        self.model = model
        self.language = LanguageModel(model)
        self.classifier = Classifier(model, label_separator) if task == 'sentiment' else None
        self.explainer = Explainer(model)

    def endpoints(self, transform: tft.TFTransformOutput, layer: keras.layers.Layer) -> Endpoints:
        """Returns the functions of all signatures, with what `tf.function` needs to trace them.

        Args:
            transform: output of Transform, for the raw features.
            layer: Transform as a Keras layer.

        Returns:
            Function and input specification by name.
        """
        scalar = tf.TensorSpec([], tf.int32, name='k')
        language = self.language
        return {
            **self._classifier_endpoints(),
            'next_word': (language.next_word, [_TEXTS, scalar]),
            'score': (language.score, [_TEXTS]),
            'embed': (language.embed, [_TEXTS]),
            'generate': (language.generate, [_TEXTS, *_GENERATION]),
            'transform_features': (
                _transform_features(transform, layer),
                [tf.TensorSpec([None], tf.string, name='examples')],
            ),
        }

    def _classifier_endpoints(self) -> Endpoints:
        if self.classifier is None:
            return {'serving_default': (self.language.score, [_TEXTS])}
        endpoints: Endpoints = {
            'serving_default': (self.classifier.label, [_TEXTS]),
            'classify': (self.classifier.classify, [_EXAMPLES]),
            'explain': (self.explainer.explain, [_TEXTS]),
        }
        if self.model.network.labels.kind == 'binary':
            endpoints['sentiment_course'] = (self.classifier.token_sentiment, [_TEXTS])
        return endpoints


def _transform_features(
    transform: tft.TFTransformOutput, layer: keras.layers.Layer
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    raw_features = transform.raw_feature_spec()

    def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = layer(tf.io.parse_example(examples, raw_features))
        label = features[LABEL]
        if isinstance(label, tf.SparseTensor):  # of multilabel data
            label = tf.sparse.to_dense(label, default_value=NO_LABEL)
        # PredictResponse has dense tensors only. Ratings are left out: a missing one is NaN, which JSON lacks.
        return {IDS: tf.sparse.to_dense(features[IDS]), LABEL: label}

    return transform_features
