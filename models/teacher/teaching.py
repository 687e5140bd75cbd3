"""Makes a scorer from a checkpoint: fine-tuned on the labelled rows, frozen below a classifier, or as it is."""

from collections.abc import Sequence
from pathlib import Path

import keras

from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.checkpoint import read_encoder
from vaiven.models.teacher.config import TeacherConfig
from vaiven.models.teacher.e5 import is_e5, read_e5
from vaiven.models.teacher.frozen import Embedder, fit_classifier
from vaiven.models.teacher.onnx_model import OnnxModel, is_onnx
from vaiven.models.teacher.scoring import Scorer, network_scorer
from vaiven.models.teacher.training import fine_tune, read_texts_and_targets
from vaiven.models.teacher.wordpiece import WordPiece
from vaiven.models.training.checkpoints import Checkpoint


def make_scorer(
    folder: Path,
    config: TeacherConfig,
    labels: LabelSpec,
    train_files: Sequence[str],
    eval_files: Sequence[str],
    checkpoint: Checkpoint | None = None,
) -> Scorer:
    """Trains a teacher on labelled rows.

    Args:
        folder: of the pre-trained encoder.
        config: how the encoder is fine-tuned.
        labels: kind and classes.
        train_files, eval_files: gzipped TFRecords of tf.Example, as TextExampleGen writes them.
        checkpoint: state of an interrupted fine-tuning.

    Raises:
        CheckpointFolderError: the folder is not a checkpoint that can be read.
        TrainingError: the loss is NaN or infinite.
    """
    embed: Embedder
    if is_onnx(folder):
        model = OnnxModel(folder, config.max_tokens)
        if model.is_classifier:
            return lambda texts: model.probabilities(texts, labels)
        embed = model.embed
    elif is_e5(folder):
        embed = read_e5(folder)
    else:
        keras.utils.set_random_seed(config.seed)  # before the layers draw the seeds of their dropout
        encoder = read_encoder(folder)
        tokenizer = WordPiece(folder, min(config.max_tokens, encoder.config.positions))
        network = fine_tune(encoder, tokenizer, config, labels, train_files, eval_files, checkpoint)
        return network_scorer(network, tokenizer)
    splits = [
        read_texts_and_targets(files, labels, config.soft_labels) for files in (train_files, eval_files)
    ]
    return fit_classifier(embed, labels, *splits)
