"""An exported encoder or classifier in a folder with `model.onnx`, run by onnxruntime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.errors import CheckpointFolderError
from vaiven.models.teacher.vocabulary import read_json
from vaiven.models.teacher.wordpiece import WordPiece

MODEL_FILE = 'model.onnx'
_CONFIG_FILE = 'config.json'
_IDS, _MASK = 'input_ids', 'attention_mask'
_LOGITS = 'logits'
_BATCH_SIZE = 32


def is_onnx(folder: Path) -> bool:
    """Whether a folder has an exported model."""
    return (folder / MODEL_FILE).is_file()


class OnnxModel:
    """A model as Hugging Face Optimum exports it: `input_ids`, `attention_mask` and perhaps `token_type_ids`.

    Args:
        folder: with `model.onnx`, and `vocab.txt` or `tokenizer.json`.
        max_tokens: longest text in tokens.

    Raises:
        CheckpointFolderError: the folder or the model is of another form.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise CheckpointFolderError(
                f"{folder}: {MODEL_FILE} needs onnxruntime: run make env, or pip install 'vaiven[teacher]'"
            ) from None
        self._folder = folder
        self._tokenizer = WordPiece(folder, max_tokens)
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL_FILE), providers=['CPUExecutionProvider']
            )
        except Exception as error:  # onnxruntime raises types of its own for each status
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointFolderError(
                f'{folder / MODEL_FILE}: cannot be read ({reason}); export the model again'
            ) from None
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._output = self._session.get_outputs()[0]
        if not {_IDS, _MASK} <= set(self._inputs) or len(self._output.shape) not in (2, 3):
            raise CheckpointFolderError(
                f'{folder / MODEL_FILE}: must have the inputs {_IDS} and {_MASK}. Received: {", ".join(self._inputs)}; '
                'export the model with Hugging Face Optimum'
            )

    @property
    def is_classifier(self) -> bool:
        """Whether the model outputs logits of classes, so that it was fine-tuned already."""
        return bool(self._output.name == _LOGITS)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """The first output of the model for texts, (n, units): of states of tokens their mean.

        Args:
            texts: (n), at least one.
        """
        ids = self._tokenizer(tf.constant(list(texts)))
        # Batches of texts of similar length have little padding.
        order = np.argsort(ids.row_lengths().numpy(), kind='stable')
        parts = [order[start : start + _BATCH_SIZE] for start in range(0, len(order), _BATCH_SIZE)]
        outputs = np.concatenate([self._run(tf.gather(ids, rows)) for rows in parts])
        return outputs[np.argsort(order)]

    def _run(self, ragged: tf.RaggedTensor) -> np.ndarray:
        ids = ragged.to_tensor().numpy().astype(np.int64)  # (n, time)
        mask = (np.arange(ids.shape[1]) < ragged.row_lengths().numpy()[:, None]).astype(np.int64)
        inputs = {_IDS: ids, _MASK: mask}
        feed = {name: inputs.get(name, np.zeros_like(ids)) for name in self._inputs}
        [output] = self._session.run([self._output.name], feed)
        if output.ndim == 2:
            return np.asarray(output, np.float32)
        weights = mask[:, :, None].astype(np.float32)
        return np.asarray((output * weights).sum(axis=1) / weights.sum(axis=1), np.float32)

    def probabilities(self, texts: Sequence[str], labels: LabelSpec) -> np.ndarray:
        """The probability of each class by a classifier, float32 (n, classes).

        Args:
            texts: (n).
            labels: kind and classes. The names of the model's classes (`id2label`) must be the same.

        Raises:
            CheckpointFolderError: the model has other classes.
        """
        columns = self._columns(labels)
        if not texts:
            return np.zeros((0, labels.size), np.float32)
        logits = self.embed(texts)
        if labels.kind == 'multilabel':
            scores = 1 / (1 + np.exp(-logits))
        else:
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            scores = powers / powers.sum(axis=1, keepdims=True)
        return np.asarray(scores[:, columns], np.float32)

    def _columns(self, labels: LabelSpec) -> list[int]:
        """The column of each class in the logits."""
        names = read_json(self._folder / _CONFIG_FILE).get('id2label', {})
        columns = {str(name).casefold(): int(number) for number, name in names.items()}
        if set(columns) != {name.casefold() for name in labels.classes}:
            expected, received = (
                ', '.join(map(str, list(part)[:5])) for part in (labels.classes, names.values())
            )
            raise CheckpointFolderError(
                f'{self._folder / _CONFIG_FILE}: id2label must name the classes {expected}. '
                f'Received: {received or "none"}; change the names, or fine-tune another model'
            )
        return [columns[name.casefold()] for name in labels.classes]
