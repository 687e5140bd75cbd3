"""The result of a run, as `train` returns it and `vaiven run --json` prints it."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from vaiven.errors import UserError
from vaiven.pipeline.config import Config
from vaiven.pipeline.interruption import INTERRUPTED, TERMINATED, Terminated

# Name of a metric of a classifier by its name in `RunResults`.
_METRICS = {
    'accuracy': 'accuracy',
    'calibration_error': 'calibration_error',
    'brier': 'brier_score',
    'majority': 'majority_accuracy',
    'linear': 'linear_accuracy',
    'linear_macro_f1': 'linear_macro_f1',
}
# These measures are among them under other names.
_RENAMED = ('ece', 'brier')


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The result of a run.

    Attributes:
        name: name of the model.
        root: folder of the runs, as an absolute path.
        model_path: folder of the pushed SavedModel, as an absolute path; None if nothing was pushed.
        version: number of the pushed version; None if nothing was pushed.
        pushed: whether this run pushed the version. If not, an earlier run had pushed the same model.
        blessed: whether the evaluation and the serving check passed.
        reason: why nothing was pushed; empty otherwise.
        metrics: metrics on the held-out examples by name. Of a classifier: `accuracy`, `macro_f1` and all others that
            `vaiven.serving.evaluation.measures.Measures` has for its kind of labels, but `ece` is `calibration_error`
            and `brier` is `brier_score`; and `majority_accuracy`, `linear_accuracy` and `linear_macro_f1` of the
            baselines, and `behaviour_score` of the behavioural tests. Of a language model: `bits_per_character`,
            `perplexity` and others.
        examples: number of examples by split (`train`, `eval`, `test`, `unlabelled`), and of dropped rows (`empty`,
            `duplicates`).
        label_kind: kind of the labels, such as `binary`; None for a language model.
        classes: names of the classes in their order; empty for a language model.
        seconds: duration of the pipeline.
        per_class: `precision`, `recall`, `f1` and `rows` of each class on the held-out examples; None if not defined.
        confusion: held-out examples by label (outer) and predicted class, in the order of `classes`; empty for a
            language model, for several labels a row and for more than 100 classes.
    """

    name: str
    root: str
    model_path: str | None
    version: int | None
    pushed: bool
    blessed: bool
    reason: str
    metrics: Mapping[str, float]
    examples: Mapping[str, int]
    label_kind: str | None
    classes: tuple[str, ...]
    seconds: float
    per_class: Mapping[str, Mapping[str, float | None]]
    confusion: Sequence[Sequence[int]]

    @classmethod
    def from_run(cls, config: Config, root: str, results: Mapping[str, Any]) -> 'TrainingResult':
        """The result of a run that has ended.

        Args:
            config: the configuration of the run.
            root: folder of the runs, as an absolute path.
            results: the values of `vaiven.pipeline.results.RunResults`.
        """
        labels = None if config.training.task == 'language' else config.data.label_spec()
        return cls(
            name=config.name,
            root=root,
            model_path=None if results['version'] is None else os.path.join(root, results['destination']),
            version=results['version'],
            pushed=results['pushed'],
            blessed=results['blessed'],
            reason=results['reason'],
            metrics=_metrics(results),
            examples=results['examples'],
            label_kind=labels.kind if labels else None,
            classes=labels.classes if labels else (),
            seconds=round(results['seconds'], 1),
            per_class=results['per_class'],
            confusion=results['confusion'],
        )

    def to_json(self) -> str:
        """One line of JSON in ASCII; a metric that is not finite is null."""
        values = dataclasses.asdict(self)
        values['metrics'] = {
            name: value if math.isfinite(value) else None for name, value in self.metrics.items()
        }
        return json.dumps(values)


def error_json(error: BaseException) -> str:
    """The error of a run as one line of JSON: `error` is the message, and `exit_status` that of the command."""
    if isinstance(error, UserError):
        message, status = str(error), error.exit_status
    elif isinstance(error, (KeyboardInterrupt, Terminated)):
        message, status = 'stopped', INTERRUPTED if isinstance(error, KeyboardInterrupt) else TERMINATED
    else:
        message, status = f'unexpected {type(error).__name__}: {error}', 1
    return json.dumps({'error': message, 'exit_status': status})


def _metrics(results: Mapping[str, Any]) -> dict[str, float]:
    metrics = {name: results[key] for key, name in _METRICS.items() if results[key] is not None}
    metrics |= {name: value for name, value in results['measures'].items() if name not in _RENAMED}
    for name, value in (results['language'] or {}).items():
        if isinstance(value, (int, float)):
            metrics[name] = value
    if results['behaviour']:
        metrics['behaviour_score'] = results['behaviour']['score']
    return metrics
