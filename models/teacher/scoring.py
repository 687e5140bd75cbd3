"""Writes the probabilities of texts to a jsonl file. A file that an interrupted run left is continued."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.network import TeacherNetwork

progress = logging.getLogger('vaiven.progress')
# Progress for the display on a terminal.
steps = logging.getLogger('vaiven.steps')

# Texts that are scored between two writes to the file.
_TEXTS_AT_ONCE = 512
# Tokens of a batch, padding included.
_BATCH_TOKENS = 4096
# Time between two lines about the progress.
_LINE_SECONDS = 60.0

# Texts (n) → float (n, classes)
Scorer = Callable[[Sequence[str]], np.ndarray]


def network_scorer(network: TeacherNetwork, tokenizer: Callable[[tf.Tensor], tf.RaggedTensor]) -> Scorer:
    """Scores texts with a fine-tuned network, in batches of texts of similar length.

    Args:
        network: fine-tuned.
        tokenizer: of its encoder.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def probabilities(ids: tf.Tensor) -> tf.Tensor:
        return network.probabilities(ids)

    def score(texts: Sequence[str]) -> np.ndarray:
        scores = np.zeros((len(texts), network.labels.size), np.float32)
        if not texts:
            return scores
        ids = tokenizer(tf.constant(texts))
        lengths = ids.row_lengths().numpy()
        order = np.argsort(lengths, kind='stable')
        start = 0
        while start < len(order):
            # The last of the rows is the longest.
            end = start + 1
            while end < len(order) and (end + 1 - start) * lengths[order[end]] <= _BATCH_TOKENS:
                end += 1
            rows = order[start:end]
            scores[rows] = probabilities(tf.gather(ids, rows).to_tensor()).numpy()
            start = end
        return scores

    return score


def write_scores(path: Path, texts: Sequence[str], labels: LabelSpec, scorer: Callable[[], Scorer]) -> None:
    """Writes a line for each text, as `vaiven predict --probabilities --to jsonl` does, without the label.

    Args:
        path: the file. If it exists, it has the first texts, perhaps with an incomplete line at its end.
        texts: all texts.
        labels: kind and classes.
        scorer: makes the scorer; called if a text is left to score.
    """
    done = _complete_lines(path)
    if done >= len(texts):
        return
    if done:
        progress.info('%d of %d texts were scored before', done, len(texts))
    score = scorer()
    started = line_time = time.monotonic()
    first = done
    with path.open('ab') as file:
        for start in range(done, len(texts), _TEXTS_AT_ONCE):
            part = texts[start : start + _TEXTS_AT_ONCE]
            file.write(score_lines(part, score(part), labels).encode())
            file.flush()
            done = start + len(part)
            steps.info('%s: %d of %d', 'scoring texts', done, len(texts))
            if (now := time.monotonic()) >= line_time + _LINE_SECONDS and done < len(texts):
                line_time = now
                minutes = (now - started) / (done - first) * (len(texts) - done) / 60
                progress.info('scored %d of %d texts, about %.0f min left', done, len(texts), minutes + 0.5)


def score_lines(texts: Sequence[str], scores: np.ndarray, labels: LabelSpec) -> str:
    """Formats texts and their scores as lines of jsonl.

    Args:
        texts: (n).
        scores: probability of each class, float (n, classes).
        labels: with two classes a line has `probability`, that of the second class; otherwise `probabilities` by class.
    """
    return ''.join(
        json.dumps({'text': text, **_values(row, labels)}, ensure_ascii=False) + '\n'
        for text, row in zip(texts, scores, strict=True)
    )


def _values(row: np.ndarray, labels: LabelSpec) -> dict[str, Any]:
    numbers = [round(float(value), 6) for value in row]
    if labels.kind == 'binary':
        return {'probability': numbers[1]}
    return {'probabilities': dict(zip(labels.classes, numbers, strict=True))}


def read_scores(path: Path, labels: LabelSpec) -> np.ndarray:
    """Reads the scores of a complete file: float32 (n, classes).

    Args:
        path: the file.
        labels: those that it was written with.
    """
    rows = []
    with path.open(encoding='utf-8', newline='\n') as file:
        for line in file:
            values = json.loads(line)
            if labels.kind == 'binary':
                rows.append([1 - values['probability'], values['probability']])
            else:
                rows.append([values['probabilities'][name] for name in labels.classes])
    return np.array(rows, np.float32).reshape(-1, labels.size)


def _complete_lines(path: Path) -> int:
    """Counts the complete lines of a file, and cuts off an incomplete one."""
    if not path.exists():
        return 0
    with path.open('rb+') as file:
        lines = size = 0
        for line in file:
            if line.endswith(b'\n'):
                lines, size = lines + 1, size + len(line)
        file.truncate(size)
    return lines
