"""A metric of TensorFlow Model Analysis: the measures of a classifier for any kind of labels."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2

from vaiven.components.evaluation.chance import ChanceTest
from vaiven.label_spec import LabelKind, LabelSpec
from vaiven.serving.evaluation.measures import Measures, measure_scores
from vaiven.serving.evaluation.row_scores import RowScores, concatenate, score_rows

# Rows that are scored at once.
_BATCH_ROWS = 1024
# TFMA's own metric of two classes has this name.
_FIGURES_OF_TFMA = frozenset({'auc'})


class LabelMeasures(metric_types.Metric):
    """All measures of `vaiven.serving.evaluation`, one figure each.

    The prediction is the float tensor `probabilities` (n, k); for two classes it may be `probability` (n) of the second
    one. The label is the index of the class; of multilabel examples, the indices of all classes, without negative
    numbers.

    The figures are the scalar measures under their names (`accuracy`, `macro_f1` …), those of `ChanceTest`,
    `is_constant` (1 if the prediction is the same for all rows), and as arrays `class_precision`, `class_recall`,
    `class_f1`, `class_rows`, each (k), and, unless the labels are multilabel, `confusion` (k, k), rows = label.
    """

    def __init__(
        self,
        kind: LabelKind = 'binary',
        classes: Sequence[str] = LabelSpec().classes,
        name: str = 'label_measures',
    ) -> None:
        """
        Args:
            kind: of `LabelSpec`.
            classes: of `LabelSpec`.
            name: of the metric.
        """
        super().__init__(_computations, name=name, kind=kind, classes=list(classes))


metric_types.register_metric(LabelMeasures)


def _computations(
    kind: LabelKind,
    classes: Sequence[str],
    name: str = '',
    eval_config: config_pb2.EvalConfig | None = None,
    model_names: Sequence[str] | None = None,
) -> metric_types.MetricComputations:
    specs = eval_config.model_specs if eval_config else ()
    # TFMA gives a single model the name ''.
    prediction_keys = {spec.name if len(specs) > 1 else '': spec.prediction_key for spec in specs}
    labels = LabelSpec(kind, tuple(classes))
    return [
        metric_types.MetricComputation(
            keys=[metric_types.MetricKey(name, model_name)],
            preprocessors=None,
            combiner=_Combiner(labels, model_name, prediction_keys.get(model_name, '')),
        )
        for model_name in model_names or ['']
    ]


@dataclasses.dataclass
class _Accumulator:
    """Rows that are not scored yet, and the scores of the others."""

    labels: list[np.ndarray] = dataclasses.field(default_factory=list)
    probabilities: list[np.ndarray] = dataclasses.field(default_factory=list)
    scores: list[RowScores] = dataclasses.field(default_factory=list)


class _Combiner(beam.CombineFn):
    def __init__(self, spec: LabelSpec, model_name: str, prediction_key: str) -> None:
        self._spec = spec
        self._model_name = model_name
        self._prediction_key = prediction_key

    def create_accumulator(self) -> _Accumulator:
        return _Accumulator()

    def add_input(self, accumulator: _Accumulator, inputs: metric_types.StandardMetricInputs) -> _Accumulator:
        label = inputs.get_by_key('labels', self._model_name)
        prediction = inputs.get_by_key('predictions', self._model_name)
        if isinstance(prediction, Mapping):
            prediction = prediction[self._prediction_key]
        accumulator.labels.append(np.asarray(label).ravel())
        accumulator.probabilities.append(np.asarray(prediction).ravel())
        if len(accumulator.labels) >= _BATCH_ROWS:
            self._score(accumulator)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Accumulator]) -> _Accumulator:
        merged = _Accumulator()
        for accumulator in accumulators:
            self._score(accumulator)
            merged.scores += accumulator.scores
        return merged

    def compact(self, accumulator: _Accumulator) -> _Accumulator:
        self._score(accumulator)
        return accumulator

    def extract_output(self, accumulator: _Accumulator) -> dict[metric_types.MetricKey, Any]:
        self._score(accumulator)
        scores = concatenate(accumulator.scores)
        figures = _figures(scores, measure_scores(scores))
        return {
            # None: TFMA finds the threshold of a figure by its name under this key.
            metric_types.MetricKey(name, self._model_name, example_weighted=None): value
            for name, value in figures.items()
        }

    def _score(self, accumulator: _Accumulator) -> None:
        if not accumulator.labels:
            return
        probabilities = np.array(accumulator.probabilities).reshape(len(accumulator.labels), -1)
        if self._spec.kind == 'binary' and probabilities.shape[1] != 2:
            probabilities = np.concatenate([1 - probabilities, probabilities], axis=1)
        labels = _labels(accumulator.labels, self._spec)
        accumulator.scores.append(score_rows(labels, probabilities, self._spec))
        accumulator.labels, accumulator.probabilities = [], []
        accumulator.scores = [concatenate(accumulator.scores)]


def _labels(rows: list[np.ndarray], spec: LabelSpec) -> np.ndarray:
    """Labels as `score_rows` takes them: int (n), or of multilabel rows bool (n, k)."""
    if spec.kind != 'multilabel':
        return np.array([row[0] for row in rows], np.int64)
    labels = np.zeros((len(rows), spec.size), bool)
    for number, row in enumerate(rows):
        # Negative: `NO_CLASS`, and the padding of a batch whose rows have different numbers of classes.
        labels[number, row[row >= 0]] = True
    return labels


def _figures(scores: RowScores, measures: Measures) -> dict[str, Any]:
    scalars = {name: value for name, value in measures.scalars().items() if name not in _FIGURES_OF_TFMA}
    chance = dataclasses.asdict(ChanceTest.of(scores, measures))
    arrays = {
        f'class_{name}': np.array([getattr(one, name) for one in measures.classes], float)
        for name in ('precision', 'recall', 'f1', 'rows')
    }
    if measures.confusion is not None:
        arrays['confusion'] = measures.confusion.astype(float)
    is_constant = all(one.predicted in (0, measures.rows) for one in measures.classes)
    return {
        **scalars,
        **{name: value for name, value in chance.items() if value is not None},
        'is_constant': float(is_constant),
        **arrays,
    }
