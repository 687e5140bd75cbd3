"""Versions of small classifiers of every kind for rollouts: good ones, and ones with a planted fault.

The class of a text is the one whose letter it has, `a` for the first; a text of a multilabel model may have several.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from vaiven.label_spec import LabelSpec

SPECS = {
    'topics': LabelSpec('multiclass', ('envío 📦', 'facturación', 'شكوى', 'otro')),
    'stars': LabelSpec('ordinal', ('★', '★★', '★★★', '★★★★')),
    'tags': LabelSpec('multilabel', ('año nuevo', '😀 alegría', 'رکاب', 'precio')),
}
LETTERS = 'abcd'
# The names that a version gives to the classes of the letters, and the class that it always answers. `other` is the
# stable version with the classes in another order and one more, so it is as good.
FAULTS = {'stable': ([0, 1, 2, 3], None), 'permuted': ([1, 2, 3, 0], None), 'constant': ([0, 1, 2, 3], 1)}

_MAKE = """
import json
import sys
from pathlib import Path
import tensorflow as tf


class Classifier(tf.Module):
    def __init__(self, kind, names, letters, constant):
        self.kind, self.names, self.letters, self.constant = kind, names, letters, constant

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def predict(self, text):
        has = [tf.strings.regex_full_match(text, f'.*{letter}.*') for letter in self.letters]
        # The class of a capital letter is that of no text.
        rest = [0.1 if letter.islower() else 0.0 for letter in self.letters]
        table = tf.where(tf.stack(has, 1), 0.9, rest)
        if self.constant is not None:
            table = tf.where(tf.range(len(self.names)) == self.constant, 0.9, 0.1) + 0.0 * table
        if self.kind != 'multilabel':
            table /= tf.reduce_sum(table, 1, keepdims=True)
        names = tf.tile([self.names], [tf.shape(text)[0], 1])
        outputs = {
            'label': tf.gather(self.names, tf.argmax(table, 1)), 'score': tf.reduce_max(table, 1),
            'probabilities': table, 'classes': names,
        }
        if self.kind == 'ordinal':
            outputs['expected_value'] = tf.linalg.matvec(table, tf.range(1.0, len(self.names) + 1))
        if self.kind == 'multilabel':
            likely = tf.ragged.boolean_mask(names, table >= 0.5)
            outputs['labels'] = tf.strings.reduce_join(likely, axis=1, separator='|')
        return outputs


for folder, (kind, names, letters, constant, config) in json.loads(sys.argv[1]).items():
    model = Classifier(kind, names, letters, constant)
    tf.saved_model.save(model, folder, signatures={'serving_default': model.predict})
    (Path(folder) / 'assets.extra').mkdir()
    (Path(folder) / 'assets.extra' / 'vaiven.json').write_text(json.dumps(config))
"""


def make(root: Path) -> None:
    """Writes `root/NAME/FAULT` for each model and fault, and `root/NAME/other`, in a process that loads TensorFlow."""
    models = {}
    for name, spec in SPECS.items():
        versions = {
            fault: ([spec.classes[index] for index in order], LETTERS, constant)
            for fault, (order, constant) in FAULTS.items()
        }
        # No text has a capital letter.
        versions['other'] = ([*spec.classes[::-1], '¿nuevo?'], LETTERS[::-1] + 'Z', None)
        for version, (names, letters, constant) in versions.items():
            config = {'data': {'label_kind': spec.kind, 'classes': names}}
            models[str(root / name / version)] = (spec.kind, names, letters, constant, config)
    subprocess.run(
        [sys.executable, '-c', _MAKE, json.dumps(models)],
        check=True,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
    )


def rows(name: str, count: int) -> list[tuple[str, str]]:
    """Returns texts of a model with their labels; one label in ten is wrong, and one row in ten has none."""
    spec = SPECS[name]
    made = []
    for number in range(count):
        letters = LETTERS[number % 4] + (LETTERS[(number + 1) % 4] if spec.kind == 'multilabel' else '')
        wrong = number % 10 == 9
        names = [spec.classes[(LETTERS.index(letter) + 2 * wrong) % 4] for letter in letters]
        made.append((f'{letters} {number}', '' if number % 10 == 5 else '|'.join(names)))
    return made
