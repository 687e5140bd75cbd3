"""A teacher of a fold: fine-tuned on its training rows, and measured on its test rows."""

import dataclasses
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.corpora import Review
from benchmarks.folds import Fold
from vaiven.components.teacher.checkpoints import find_checkpoint
from vaiven.components.teacher.executor import unseen_copies
from vaiven.components.text_example_gen.rows import text_fingerprint
from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.config import TeacherConfig
from vaiven.models.teacher.teaching import make_scorer


@dataclasses.dataclass(frozen=True)
class Taught:
    """What a teacher gives a fold.

    Attributes:
        accuracy: of the teacher itself, on the test rows.
        texts: texts without labels, none of which is a held-out row.
        probabilities: of «positive», float (texts).
        altered: number of the texts, at the end, that are altered training texts; the vocabulary does not count them.
        further: its accuracy on texts of other domains, by name.
        seconds: duration.
    """

    accuracy: float
    texts: list[str]
    probabilities: np.ndarray
    altered: int
    further: dict[str, float]
    seconds: float


def teach(
    fold: Fold,
    config: TeacherConfig,
    more: Sequence[str],
    further: Mapping[str, Sequence[Review]] | None = None,
) -> Taught:
    """Fine-tunes a teacher on a fold, and scores text without labels.

    Args:
        fold: the rows; those without a label are scored, too.
        config: of the teacher.
        more: more texts without labels.
        further: labelled texts of other domains, by name, that the teacher is measured on as well.
    """
    started = time.monotonic()
    held_out = {text_fingerprint(row.text) for row in (*fold.validation, *fold.test)}
    texts = [
        text
        for text in (*more, *(row.text for row in fold.unlabelled))
        if text_fingerprint(text) not in held_out
    ]
    train = [row.text for row in fold.train]
    seen = held_out | {text_fingerprint(text) for text in train}
    altered = unseen_copies(train, seen, config)
    with tempfile.TemporaryDirectory(prefix='vaiven-benchmark-') as folder:
        files = [
            _write(Path(folder, name), rows)
            for name, rows in (('train', fold.train), ('eval', fold.validation))
        ]
        score = make_scorer(find_checkpoint(config.checkpoint), config, LabelSpec(), *files)
    texts += altered
    scores = score(texts)[:, 1]
    seconds = time.monotonic() - started

    def accuracy(rows: Sequence[Review]) -> float:
        labels = np.array([row.label for row in rows])
        return float(((score([row.text for row in rows])[:, 1] > 0.5) == labels).mean())

    measured = {name: accuracy(rows) for name, rows in (further or {}).items()}
    return Taught(accuracy(fold.test), texts, scores, len(altered), measured, seconds)


def _write(path: Path, rows: Sequence[Review]) -> list[str]:
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions('GZIP')) as writer:
        for row in rows:
            features = {
                'text': tf.train.Feature(bytes_list=tf.train.BytesList(value=[row.text.encode()])),
                'label': tf.train.Feature(int64_list=tf.train.Int64List(value=[row.label])),
            }
            if row.rating is not None:
                features['rating'] = tf.train.Feature(float_list=tf.train.FloatList(value=[row.rating]))
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return [str(path)]
