"""The answers of two versions to a request, and what they decide: a class for each row, or several classes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vaiven.label_spec import MULTILABEL_THRESHOLD, SENTIMENT
from vaiven.serving.common.labels import label_key
from vaiven.serving.common.model_labels import Label
from vaiven.serving.rollout.requests import Request

NEGATIVE, POSITIVE = SENTIMENT


@dataclass(frozen=True)
class Answer:
    """The answer of one version to a request.

    Attributes:
        seconds: latency of the request.
        error: code and message of a failure; empty without a failure.
        code: name of the gRPC status code of a failure.
        decisions: the class for each row, or the set of classes of a multilabel model; empty if the signature does not
            decide.
        scores: the score of each row, from 0 to 1; empty if no output is a score. Of two classes it is the probability
            of the second, positive one, otherwise that of the decision.
        classes: names of the classes in the order of the model; empty if the model does not say them.
        probabilities: float (rows, classes); None for a model of two classes, whose scores say the same.
    """

    seconds: float
    error: str = ''
    code: str = ''
    decisions: tuple[Label, ...] = ()
    scores: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    # Arrays cannot be compared with `==`.
    probabilities: NDArray[np.float64] | None = field(default=None, compare=False)

    @classmethod
    def from_outputs(cls, seconds: float, outputs: Mapping[str, NDArray[Any]]) -> 'Answer':
        """The answer of a version that did not fail.

        Models of this package name their classes. Of others, the score is the output `probability`, or else the only
        output if it has floats: its only column, or the largest of several. The decision is the output `label`, or else
        whether the score is above 0.5, or the index of the largest column.

        Args:
            seconds: latency of the request.
            outputs: the outputs of a signature by name; rows are the first dimension.
        """
        names, table = outputs.get('classes'), outputs.get('probabilities')
        if _is_table(table, 'f') and _is_table(names, 'OSU') and names.shape == table.shape and len(names):
            return _of_classes(seconds, outputs, _class_names(tuple(names[0].tolist())), table)
        scores: tuple[float, ...] = ()
        decisions: tuple[Label, ...] = ()
        value = outputs.get('probability', next(iter(outputs.values())) if len(outputs) == 1 else None)
        if value is not None and value.dtype.kind == 'f' and value.ndim and value.size:
            columns = np.asarray(value, float).reshape(len(value), -1)  # (rows, columns)
            if columns.shape[1] == 1:
                scores = tuple(columns[:, 0].tolist())
                decisions = tuple(POSITIVE if score > 0.5 else NEGATIVE for score in scores)
            else:
                scores = tuple(columns.max(1).tolist())
                decisions = tuple(str(index) for index in columns.argmax(1))
        decisions = _labels(outputs) or decisions
        # What earlier versions exported: `probability` is that of positive.
        is_sentiment = len(scores) == len(decisions) > 0 and set(decisions) <= set(SENTIMENT)
        return cls(seconds, decisions=decisions, scores=scores, classes=SENTIMENT if is_sentiment else ())

    def table(self) -> NDArray[np.float64]:
        """Returns the probabilities of all classes, (rows, classes), also of two; the model must say its classes."""
        if self.probabilities is not None:
            return self.probabilities
        positive = np.array(self.scores, float)
        return np.stack([1 - positive, positive], 1)


@dataclass(frozen=True)
class Pair:
    """The answers of the old and the new version to one request."""

    request: Request
    old: Answer
    new: Answer

    @property
    def failed(self) -> bool:
        """Whether either version failed."""
        return bool(self.old.error or self.new.error)


def same(one: Label | None, other: Label | None) -> bool:
    """Whether two decisions, or a decision and a label, are the same classes.

    Names are compared as labels are: without case and Unicode form, since two runs may spell a class differently.

    Args:
        one: None for a missing decision.
        other: the same.
    """
    return one == other or (one is not None and other is not None and _keys(one) == _keys(other))


def correctness(decision: Label | None, label: Label) -> float:
    """Returns how right a decision is, from 0 to 1.

    With one class per row, this is 1 or 0. With several it is the Jaccard index of both sets, the share of the classes
    in either that are in both: Godbole and Sarawagi, "Discriminative methods for multi-labeled classification", PAKDD
    2004, call its mean the accuracy. A version that gets most classes of a row right is better than one that gets none.

    Args:
        decision: None for a missing decision, which is wrong.
        label: the true one.
    """
    if decision is None:
        return 0.0
    if not isinstance(decision, frozenset) and not isinstance(label, frozenset):
        return float(same(decision, label))
    decided, true = _keys(decision), _keys(label)
    return len(decided & true) / len(decided | true) if decided | true else 1.0


def _of_classes(
    seconds: float, outputs: Mapping[str, NDArray[Any]], classes: tuple[str, ...], table: NDArray[Any]
) -> Answer:
    if 'probability' in outputs and len(classes) == 2:
        positive = tuple(outputs['probability'].tolist())
        return Answer(seconds, decisions=_labels(outputs), scores=positive, classes=classes)
    decisions: tuple[Label, ...] = _labels(outputs)
    if 'labels' in outputs:
        decisions = tuple(
            frozenset(name for name, decided in zip(classes, row, strict=True) if decided)
            for row in (table >= MULTILABEL_THRESHOLD).tolist()
        )
    scores = outputs['score'] if 'score' in outputs else table.max(1)
    return Answer(
        seconds,
        decisions=decisions,
        scores=tuple(scores.tolist()),
        classes=classes,
        probabilities=np.asarray(table, float),
    )


def _labels(outputs: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    labels = outputs.get('label')
    return () if labels is None or labels.ndim != 1 else _texts(labels.tolist())


def _is_table(value: NDArray[Any] | None, kinds: str) -> TypeGuard[NDArray[Any]]:
    return value is not None and value.dtype.kind in kinds and value.ndim == 2


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(
        value.decode(errors='replace') if isinstance(value, bytes) else str(value) for value in values
    )


# The classes of a version are the same in each of its answers, and may be a thousand.
_class_names = lru_cache(maxsize=16)(_texts)


@lru_cache(maxsize=65_536)
def _keys(decision: Label) -> frozenset[str]:
    return frozenset(map(label_key, decision if isinstance(decision, frozenset) else (decision,)))
