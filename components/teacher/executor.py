"""The executor of the Teacher component."""

import json
import logging
import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils

from vaiven.components.examples import (
    PROBABILITIES_FEATURE,
    TEACHER_SPLIT,
    TEXT_FEATURE,
    TRAIN_SPLIT,
    UNLABELLED_SPLIT,
    read_labelled,
    read_texts,
    split_pattern,
)
from vaiven.components.teacher.checkpoints import find_checkpoint
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.rows import text_fingerprint
from vaiven.configuration import from_json
from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.altered_texts import altered_texts
from vaiven.models.teacher.config import TeacherConfig
from vaiven.models.teacher.scoring import Scorer, read_scores, write_scores
from vaiven.models.teacher.teaching import make_scorer
from vaiven.models.training.checkpoints import Checkpoint, fingerprint
from vaiven.serving.evaluation.measures import measure

progress = logging.getLogger('vaiven.progress')

SCORES_FILE, SUMMARY_FILE = 'scores.jsonl', 'scores.json'
EVAL_SPLIT = 'eval'


class Executor(base_executor.BaseExecutor):
    """Writes `Split-<name>/`, `scores.jsonl` and `scores.json` to the folder of the artifact."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fine-tunes the encoder, scores texts without labels and altered training texts, and writes the examples.

        Args:
            input_dict: `examples`.
            output_dict: `taught_examples`.
            exec_properties: `config` and `labels` as JSON, `digest` of the checkpoint, and `unfinished`.

        Raises:
            DataError: if there is no text to score.
            UserError: if the checkpoint cannot be read.
            TrainingError: if the loss is NaN or infinite.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        started = time.monotonic()
        config = from_json(TeacherConfig, exec_properties['config'])
        labels = from_json(LabelSpec, exec_properties['labels'])
        examples = artifact_utils.get_single_instance(input_dict['examples'])
        taught = artifact_utils.get_single_instance(output_dict['taught_examples'])
        files = {
            split: sorted(tf.io.gfile.glob(split_pattern(examples, split)))
            for split in artifact_utils.decode_split_names(examples.split_names)
        }
        unlabelled = read_texts(examples, UNLABELLED_SPLIT)
        altered = _altered_texts(examples, config)
        texts = [*unlabelled, *altered]
        if not texts:
            raise DataError(
                'a teacher needs text to score. Received: none; add --unlabelled FILE, '
                'or set teacher.altered_copies above 0'
            )
        described = {
            split: [(os.path.basename(path), tf.io.gfile.stat(path).length) for path in paths]
            for split, paths in files.items()
        }
        keys = ('config', 'labels', 'digest')
        state = Path(exec_properties['unfinished'])
        state.mkdir(parents=True, exist_ok=True)
        identity = fingerprint(described, *(exec_properties[key] for key in keys))
        checkpoint = Checkpoint(str(state / 'teacher.npz'), identity, {})
        scores_file = state / f'teacher-{identity[:16]}.jsonl'

        def make() -> Scorer:
            score = make_scorer(
                find_checkpoint(config.checkpoint),
                config,
                labels,
                files[TRAIN_SPLIT],
                files[EVAL_SPLIT],
                checkpoint,
            )
            figures_file.write_text(json.dumps(_measure(score, examples, labels)))
            return score

        figures_file = scores_file.with_suffix('.json')
        write_scores(scores_file, texts, labels, make)
        summary = {
            'checkpoint': config.checkpoint,
            'digest': exec_properties['digest'],
            'rows': len(texts),
            'altered': len(altered),
            **json.loads(figures_file.read_text()),
            'seconds': round(time.monotonic() - started, 1),
        }
        _write_examples(taught, files, texts, read_scores(scores_file, labels))
        with fileio.open(os.path.join(taught.uri, SUMMARY_FILE), 'w') as file:
            file.write(json.dumps(summary, indent=2))
        fileio.copy(str(scores_file), os.path.join(taught.uri, SCORES_FILE))
        progress.info(
            'the teacher %s is right in %.1f %% of %d validation rows, and scored %d texts without labels and %d '
            'altered training texts in %.0f s',
            config.checkpoint,
            100 * summary['accuracy'],
            summary['eval_rows'],
            len(unlabelled),
            len(altered),
            summary['seconds'],
        )
        checkpoint.remove()
        scores_file.unlink()
        figures_file.unlink()


def unseen_copies(train: Sequence[str], seen: Collection[bytes], config: TeacherConfig) -> list[str]:
    """Altered copies of the training texts, without those that are equal to one of `seen`, fingerprints of texts."""
    copies = altered_texts(train, config.altered_copies, config.seed)
    return [text for text in copies if text_fingerprint(text) not in seen]


def _altered_texts(examples: Artifact, config: TeacherConfig) -> list[str]:
    """Altered copies of the training texts, without those that are equal to a labelled row."""
    if not config.altered_copies:
        return []
    splits = artifact_utils.decode_split_names(examples.split_names)
    labelled = {
        split: read_texts(examples, split)
        for split in splits
        if split not in (UNLABELLED_SPLIT, TEACHER_SPLIT)
    }
    seen = {text_fingerprint(text) for texts in labelled.values() for text in texts}
    return unseen_copies(labelled[TRAIN_SPLIT], seen, config)


def _measure(score: Scorer, examples: Artifact, labels: LabelSpec) -> dict[str, float]:
    """The accuracy on the split `eval`, which chose the epoch."""
    texts, truth = read_labelled(examples, EVAL_SPLIT, labels=labels)
    return {'accuracy': measure(truth, score(texts), labels).accuracy, 'eval_rows': len(texts)}


def _write_examples(
    taught: Artifact, files: dict[str, list[str]], texts: Sequence[str], scores: np.ndarray
) -> None:
    """Copies the splits with labels, and writes the scored texts as a split of their own."""
    for split, paths in files.items():
        folder = os.path.join(taught.uri, f'Split-{split}')
        fileio.makedirs(folder)
        for path in paths:
            target = os.path.join(folder, os.path.basename(path))
            if split == UNLABELLED_SPLIT:
                _write_records(target, [], scores[:0])
            else:
                fileio.copy(path, target)
    folder = os.path.join(taught.uri, f'Split-{TEACHER_SPLIT}')
    fileio.makedirs(folder)
    _write_records(os.path.join(folder, 'scores-00000-of-00001.gz'), texts, scores)
    splits = [*(split for split in files if split != TEACHER_SPLIT), TEACHER_SPLIT]
    taught.split_names = artifact_utils.encode_split_names(splits)
    examples_utils.set_payload_format(taught, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(taught, 'tfrecords_gzip')


def _write_records(path: str, texts: Sequence[str], scores: np.ndarray) -> None:
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type='GZIP')) as writer:
        for text, row in zip(texts, scores, strict=True):
            features = {
                TEXT_FEATURE: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()])),
                PROBABILITIES_FEATURE: tf.train.Feature(float_list=tf.train.FloatList(value=row)),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString(deterministic=True))
