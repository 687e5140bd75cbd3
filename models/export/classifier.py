"""The signatures of a classifier: labels, their probabilities, and the course of the sentiment."""

import tensorflow as tf

from vaiven.label_spec import MULTILABEL_THRESHOLD
from vaiven.models.data.preprocessing import TEXT
from vaiven.models.export.text_model import TextModel
from vaiven.models.export.token_sentiment import token_sentiment
from vaiven.models.network.heads import label_probabilities


class Classifier:
    """Classifies texts.

    Args:
        model: network and tokeniser.
        label_separator: joins the labels of a text, if it can have several.
    """

    def __init__(self, model: TextModel, label_separator: str = '|') -> None:
        self.model = model
        self.labels = model.network.labels
        self.label_separator = label_separator

    def label(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies texts, string (n).

        Returns:
            `label`, string (n), the most probable class, and `score`, float (n), its probability; `probabilities`,
            float (n, classes), and `classes`, string (n, classes), the names of the columns. For two classes
            `probability`, float (n), of the second one. For ordinal labels `expected_value`, float (n), the mean of
            `LabelSpec.values`. For multilabel labels `labels`, string (n): the classes with a probability of at least
            0.5, joined by the separator.
        """
        logits = self.model.label_logits(text)
        probabilities = label_probabilities(self.labels, logits)  # (n, classes)
        answer = {'probabilities': probabilities, 'classes': self._class_rows(probabilities)}
        if self.labels.kind == 'binary':
            # Not read from `probabilities`: a request for the label alone costs three operations.
            probability = tf.sigmoid(logits)
            negative, positive = self.labels.classes
            is_positive = probability > 0.5
            return {
                **answer,
                'probability': probability,
                'label': tf.where(is_positive, positive, negative),
                'score': tf.where(is_positive, probability, 1 - probability),
            }
        answer['label'] = tf.gather(tf.constant(self.labels.classes), tf.argmax(probabilities, axis=1))
        answer['score'] = tf.reduce_max(probabilities, axis=1)
        if self.labels.kind == 'ordinal':
            values = tf.constant(self.labels.values, tf.float32)
            answer['expected_value'] = tf.linalg.matvec(probabilities, values)
        if self.labels.kind == 'multilabel':
            answer['labels'] = self._joined_labels(probabilities)
        return answer

    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies serialised tf.Examples with a feature `text`, string (n), for TensorFlow Serving's Classify.

        Returns:
            `classes`, string (n, classes), and `scores`, float (n, classes).
        """
        examples = tf.io.parse_example(inputs, {TEXT: tf.io.FixedLenFeature([], tf.string)})
        scores = label_probabilities(self.labels, self.model.label_logits(examples[TEXT]))
        return {'classes': self._class_rows(scores), 'scores': scores}

    def token_sentiment(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the sentiment of every prefix of each text, string (n), token by token.

        Returns:
            `tokens`, string, and `probabilities` of the second class, float, both (sum of `row_lengths`);
            `row_lengths`, int (n), tokens per text.
        """
        tokens, probabilities = token_sentiment(
            self.model.whole_tokens(text),
            self.model.config,
            lambda texts: tf.sigmoid(self.model.label_logits(texts)),
        )
        return {
            'tokens': tokens.values,
            'probabilities': probabilities.values,
            'row_lengths': tf.cast(tokens.row_lengths(), tf.int32),
        }

    def _class_rows(self, probabilities: tf.Tensor) -> tf.Tensor:
        # One row for each text: the REST interface of TensorFlow Serving needs it.
        return tf.tile(tf.constant([self.labels.classes]), [tf.shape(probabilities)[0], 1])

    def _joined_labels(self, probabilities: tf.Tensor) -> tf.Tensor:
        rows = tf.ragged.boolean_mask(self._class_rows(probabilities), probabilities >= MULTILABEL_THRESHOLD)
        return tf.strings.reduce_join(rows, axis=1, separator=self.label_separator)
