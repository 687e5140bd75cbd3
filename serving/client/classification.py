"""The methods of `Vaiven` and `AsyncVaiven` that predict classes: `classify` and `sentiment`."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.label_spec import MULTILABEL_THRESHOLD, SENTIMENT
from vaiven.serving.client.results import UNDECIDED, Classification, Sentiment
from vaiven.serving.client.text_methods import TextRequest
from vaiven.serving.client.transport import Arrays
from vaiven.serving.common.errors import ServingError

SIGNATURE = 'serving_default'

Classes = tuple[str, ...]
Probabilities = tuple[float, ...]


def classify(
    model: str, outputs: Sequence[str] | None = None, min_score: float = 0.0
) -> TextRequest[Classification]:
    """The request behind `Vaiven.classify`.

    Args:
        model: name of the model, for errors.
        outputs: names of the outputs to request; None for all.
        min_score: the lowest score with a label.

    Raises:
        ServingError: `min_score` is not between 0 and 1, or `outputs` lacks the label or its score.
    """
    if not 0 <= min_score <= 1:
        raise ServingError(f'min_score must be between 0 and 1. Received: {min_score}')
    if outputs is not None and not ('label' in outputs and {'score', 'probability'} & {*outputs}):
        raise ServingError(f"outputs must name 'label', and 'score' or 'probability'. Received: {outputs}")
    # Scores are 32-bit floats: 0.7 as such a float is below 0.7 as a 64-bit float.
    lowest_score = float(np.float32(min_score))

    def read(batch: list[str], answer: Arrays) -> list[Classification]:
        _require_classifier(model, answer, 'classifier')
        classes, probabilities = _distribution(answer, len(batch), outputs is None)
        labels, scores = _labels_and_scores(answer)
        if min_score:
            _require_one_label(model, answer)
            _require_no_class_undecided(model, {*classes, *labels})
            labels = [
                UNDECIDED if score < lowest_score else label
                for label, score in zip(labels, scores, strict=True)
            ]
        columns = batch, labels, scores, probabilities, _optional(answer, 'expected_value', len(batch))
        results = [
            Classification(text, label, score, row, classes, expected_value)
            for text, label, score, row, expected_value in zip(*columns, strict=True)
        ]
        if 'labels' not in answer:
            return results
        return [
            replace(result, labels=_likely_classes(result), joined_labels=joined)
            for result, joined in zip(results, _strings(answer['labels']), strict=True)
        ]

    return TextRequest(SIGNATURE, read, outputs=tuple(outputs or ()))


def sentiment(model: str) -> TextRequest[Sentiment]:
    """The request behind `Vaiven.sentiment`; `model` is for its errors."""

    def read(batch: list[str], answer: Arrays) -> list[Sentiment]:
        _require_classifier(model, answer, 'sentiment classifier')
        if 'probability' not in answer:
            raise ServingError(
                f'model {model!r} has more than two classes: use classify instead of sentiment'
            )
        labels, scores = _labels_and_scores(answer)
        columns = batch, labels, answer['probability'].tolist(), scores
        return [Sentiment(*row) for row in zip(*columns, strict=True)]

    # Models of earlier versions have no score.
    outputs = 'label', 'probability', 'score'
    return TextRequest(SIGNATURE, read, outputs=outputs, missing_ok=True)


def _require_classifier(model: str, answer: Arrays, kind: str) -> None:
    if 'label' not in answer:
        raise ServingError(f'model {model!r} has no {kind}: it is a language model')


def _require_one_label(model: str, answer: Arrays) -> None:
    if 'labels' in answer:
        raise ServingError(
            f'model {model!r} gives a text any number of labels, and min_score needs one label a text: compare '
            'the probabilities'
        )


def _require_no_class_undecided(model: str, names: Collection[str]) -> None:
    if UNDECIDED in names:
        raise ServingError(
            f'model {model!r} has a class named {UNDECIDED!r}, so min_score would make it ambiguous: compare the '
            'scores'
        )


def _strings(values: NDArray[Any]) -> list[str]:
    return [value.decode() for value in values.tolist()]


def _optional(answer: Arrays, name: str, rows: int) -> list[Any]:
    return answer[name].tolist() if name in answer else [None] * rows


def _labels_and_scores(answer: Arrays) -> tuple[list[str], list[float]]:
    labels = _strings(answer['label'])
    if 'score' in answer:
        return labels, answer['score'].tolist()
    # Of a model of an earlier version.
    return labels, [max(p, 1 - p) for p in answer['probability'].tolist()]


def _distribution(answer: Arrays, rows: int, all_outputs: bool) -> tuple[Classes, list[Probabilities]]:
    """The classes, and the probabilities of each row; empty where they were not requested."""
    probabilities: list[Probabilities] = [()] * rows
    if 'probabilities' in answer:
        probabilities = list(map(tuple, answer['probabilities'].tolist()))
    elif 'probability' in answer:
        probabilities = [(1 - p, p) for p in answer['probability'].tolist()]
    if 'classes' in answer:
        return tuple(_strings(answer['classes'][0])), probabilities
    # All outputs without the classes are those of a model of an earlier version.
    return SENTIMENT if all_outputs else (), probabilities


def _likely_classes(result: Classification) -> Classes | None:
    if not result.classes or not result.probabilities:
        return None
    pairs = zip(result.classes, result.probabilities, strict=True)
    return tuple(name for name, probability in pairs if probability >= MULTILABEL_THRESHOLD)
