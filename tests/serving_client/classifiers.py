"""Small SavedModels of every kind of labels, with the signatures of vaiven's models; they need no training.

A class is as probable as its letter is frequent among the letters of the classes: `aab` is two thirds the first class.
A text without these letters is all classes alike; for several labels a text, it is none.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from vaiven.label_spec import LabelSpec

SEPARATOR = ';'
# Names in several scripts, with an emoji, a combining accent and control characters.
TOPICS = ('año nuevo', '😀 alegría', 'شكوى', 'fin\tde\x1b[2Jlínea')
SPECS = {
    'reviews': LabelSpec(),
    'mail': LabelSpec('binary', ('ham', 'spam')),
    'topics': LabelSpec('multiclass', TOPICS),
    'moods': LabelSpec('multiclass', ('bad', 'undecided', 'good')),
    'stars': LabelSpec('ordinal', ('★', '★★', '★★★')),
    'tags': LabelSpec('multilabel', ('precio', 'envío 📦', 'רכב')),
}

_MAKE = """
import json
import sys
import tensorflow as tf

TEXT = tf.TensorSpec([None], tf.string)


class Classifier(tf.Module):
    def __init__(self, kind, classes, values, separator):
        self.kind, self.classes, self.values, self.separator = kind, classes, values, separator

    def probabilities(self, text):
        others = [tf.strings.regex_replace(text, letter, '') for letter in 'abcdefgh'[: len(self.classes)]]
        counts = tf.stack([tf.strings.length(text) - tf.strings.length(other) for other in others], 1)
        counts = tf.cast(counts, tf.float32)
        if self.kind == 'multilabel':
            return tf.math.divide_no_nan(counts, tf.reduce_max(counts, 1, keepdims=True))
        total = tf.reduce_sum(counts, 1, keepdims=True)
        return tf.where(total > 0, tf.math.divide_no_nan(counts, total), 1 / len(self.classes))

    @tf.function(input_signature=[TEXT])
    def predict(self, text):
        probabilities = self.probabilities(text)
        best = tf.argmax(probabilities, 1)
        names = tf.tile([self.classes], [tf.shape(text)[0], 1])
        outputs = {
            'label': tf.gather(self.classes, best), 'score': tf.reduce_max(probabilities, 1),
            'probabilities': probabilities, 'classes': names,
        }
        if self.kind == 'binary':
            outputs['probability'] = probabilities[:, 1]
        if self.kind == 'ordinal':
            outputs['expected_value'] = tf.linalg.matvec(probabilities, self.values)
        if self.kind == 'multilabel':
            likely = tf.ragged.boolean_mask(names, probabilities >= 0.5)
            outputs['labels'] = tf.strings.reduce_join(likely, axis=1, separator=self.separator)
        return outputs

    @tf.function(input_signature=[TEXT])
    def course(self, text):
        tokens = tf.strings.split(text)
        return {
            'tokens': tokens.values,
            'probabilities': self.probabilities(tokens.values)[:, 1],
            'row_lengths': tf.cast(tokens.row_lengths(), tf.int32),
        }


for name, (kind, classes, values, separator) in json.loads(sys.argv[2]).items():
    model = Classifier(kind, classes, values, separator)
    signatures = {'serving_default': model.predict}
    if kind == 'binary':
        signatures['sentiment_course'] = model.course
    tf.saved_model.save(model, f'{sys.argv[1]}/{name}/1', signatures=signatures)
"""


def make(root: Path) -> None:
    """Writes version 1 of each model of `SPECS` to `root/NAME/1`, in a process of its own that loads TensorFlow."""
    models = {name: (spec.kind, spec.classes, spec.values, SEPARATOR) for name, spec in SPECS.items()}
    subprocess.run(
        [sys.executable, '-c', _MAKE, str(root), json.dumps(models)],
        check=True,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
    )
