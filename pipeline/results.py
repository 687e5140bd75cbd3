"""The results of a run, read from the artifacts of its components."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from vaiven.components.evaluation.chance import MAX_BALANCED_SHARE
from vaiven.components.evaluation.executor import BEHAVIOUR_FILE
from vaiven.components.evaluation.figures import held_out_figures
from vaiven.components.language_evaluation.executor import EVALUATION_FILE
from vaiven.components.linear_baseline.artifact import BASELINE_FILE
from vaiven.components.serving_check.executor import CHECK_FILE
from vaiven.components.teacher.executor import SCORES_FILE
from vaiven.components.teacher.executor import SUMMARY_FILE as TEACHER_FILE
from vaiven.components.text_example_gen.executor import SUMMARY_FILE as EXAMPLES_FILE
from vaiven.components.text_example_gen.summary import Summary
from vaiven.components.text_example_gen.teacher_rows import teacher_line
from vaiven.components.vocabulary.artifact import SUMMARY_FILE, VECTORS
from vaiven.label_spec import LabelSpec
from vaiven.pipeline.artifact_outputs import OutputArtifact
from vaiven.pipeline.runner import ComponentResult
from vaiven.serving.evaluation.measures import ORDER

_MAX_CONFUSION_CLASSES = 100
_CLASS_FIGURES = ('precision', 'recall', 'f1', 'rows')


@dataclasses.dataclass
class RunResults:
    """The results of a run, filled in as its components end.

    All values are plain: `dataclasses.asdict` makes JSON of them.

    Attributes:
        classes: names of the classes in their order.
        accuracy: accuracy on the held-out rows, 0 to 1; multilabel: share of rows with all labels right.
        calibration_error: expected calibration error on these rows.
        brier: Brier score on these rows, as `vaiven.serving.evaluation.measures.Measures` defines it.
        measures: all measures on these rows that are one number, by their names in `Measures`.
        per_class: `precision`, `recall`, `f1` and `rows` of each class on these rows, by the name of the class; None
            for a measure that is not defined, because the class has no rows or is never predicted.
        confusion: rows by label (outer list) and predicted class; empty for multilabel and for more than 100 classes.
        majority: accuracy of the majority class on these rows.
        linear: accuracy of a linear model (NB-SVM) on these rows.
        linear_macro_f1: macro-F1 of that model on these rows.
        rows: number of held-out rows.
        examples: number of examples by split, and of dropped rows: `empty` and `duplicates`; `teacher` if the run
            has one.
        blessed: whether both the evaluation and the serving check passed.
        version: the pushed version; None if nothing was pushed.
        pushed: whether the version is new. If not, the same model had been pushed before.
        destination: folder of the version.
        reason: why nothing was pushed.
        teacher: the figures of the teacher, from `scores.json`, and `scores`, the path of its file; empty without one.
        curves: folder of the learning curves, for TensorBoard.
        language: the evaluation of a language model, with the keys of
            `vaiven.components.language_evaluation.evaluate.LanguageEvaluation`.
        behaviour: the behavioural tests: `score`, and `tests` with their failing sentences, as
            `vaiven.components.evaluation.behaviour.results.BehaviourResults` writes them.
        seconds: duration of the run.
    """

    classes: tuple[str, ...] = LabelSpec().classes
    accuracy: float | None = None
    calibration_error: float | None = None
    brier: float | None = None
    measures: dict[str, float] = dataclasses.field(default_factory=dict)
    per_class: dict[str, dict[str, float | None]] = dataclasses.field(default_factory=dict)
    confusion: list[list[int]] = dataclasses.field(default_factory=list)
    majority: float | None = None
    linear: float | None = None
    linear_macro_f1: float | None = None
    rows: int | None = None
    examples: dict[str, int] = dataclasses.field(default_factory=dict)
    blessed: bool = True
    version: int | None = None
    pushed: bool = False
    destination: str = ''
    reason: str = ''
    teacher: dict[str, Any] = dataclasses.field(default_factory=dict)
    curves: str = ''
    language: dict[str, Any] | None = None
    behaviour: dict[str, Any] | None = None
    seconds: float = 0.0

    def add(self, result: ComponentResult) -> str:
        """Adds the results of a component; returns a short summary of them."""
        outputs = {key: artifacts[0] for key, artifacts in result.outputs.items() if artifacts}
        match result.name:
            case 'TextExampleGen':
                return self._add_examples(outputs['examples'])
            case 'Teacher':
                return self._add_teacher(outputs['taught_examples'])
            case 'Vocabulary':
                summary = _read(outputs['vocabulary'], SUMMARY_FILE)
                line = f'{summary["size"]:,} tokens, {summary["coverage"]:.1%} of the text'
                if vectors := summary.get(VECTORS):
                    line += f', vectors of {vectors["found"] / vectors["words"]:.1%}'
                return line
            case 'Trainer':
                self.curves = outputs['model_run'].uri
            case 'BaselineModel':
                return '' if 'model' in outputs else 'no earlier blessed model'
            case 'Evaluator':
                self._add_figures(held_out_figures(outputs['evaluation'].uri))
                if os.path.exists(os.path.join(outputs['evaluation'].uri, BEHAVIOUR_FILE)):
                    self.behaviour = _read(outputs['evaluation'], BEHAVIOUR_FILE)
                verdict = self._add_blessing(bool(outputs['blessing'].properties.get('blessed')))
                return ', '.join([*self.summary(), verdict])
            case 'LanguageEvaluator':
                self.language = _read(outputs['evaluation'], EVALUATION_FILE)
                bits = self.language['bits_per_character']
                verdict = self._add_blessing(not self.language['reason'])
                return verdict if bits is None else f'{bits:.3f} bits per character, {verdict}'
            case 'LinearBaseline':
                baseline = _read(outputs['baseline'], BASELINE_FILE)
                self.majority, self.linear = baseline['majority'], baseline['nb_svm']
                self.linear_macro_f1 = baseline.get('macro_f1')
                self.rows = baseline['rows']
                return f'majority class {self.majority:.1%}, NB-SVM {self.linear:.1%}'
            case 'ServingCheck':
                return self._add_serving_check(_read(outputs['blessing'], CHECK_FILE))
            case 'AtomicPusher':
                return self._add_push(outputs['pushed_model'])
        return ''

    def summary(self) -> list[str]:
        """The most important measures in words: of two classes the accuracy, of others also the macro-F1."""
        if self.accuracy is None:
            return []
        words = [f'accuracy {self.accuracy:.1%}']
        if self.is_macro_f1_shown:
            words.append(f'macro-F1 {self.measures["macro_f1"]:.3f}')
        if (error := self.measures.get('mean_absolute_error')) is not None:
            words.append(f'mean absolute error {error:.2f}')
        return words

    @property
    def is_macro_f1_shown(self) -> bool:
        """Whether the macro-F1 says more than the accuracy: of several classes, and of two that are unequal."""
        shares = [one['rows'] or 0.0 for one in self.per_class.values()]
        is_balanced = len(shares) == 2 and max(shares) <= MAX_BALANCED_SHARE * sum(shares)
        return 'macro_f1' in self.measures and not is_balanced

    def _add_figures(self, figures: Mapping[str, float | np.ndarray]) -> None:
        """Adds what the Evaluator has measured, by the names of `vaiven.components.evaluation.label_measures`."""
        self.measures = {name: value for name in ORDER if isinstance(value := figures.get(name), float)}
        self.accuracy = self.measures.get('accuracy')
        self.rows = int(figures['example_count']) if 'example_count' in figures else None
        self.brier = self.measures.get('brier')
        self.calibration_error = self.measures.get('ece')
        columns = {
            name: _plain(figures[f'class_{name}']) for name in _CLASS_FIGURES if f'class_{name}' in figures
        }
        if columns:
            self.per_class = {
                class_name: {name: column[number] for name, column in columns.items()}
                for number, class_name in enumerate(self.classes)
            }
        if 'confusion' in figures and len(self.classes) <= _MAX_CONFUSION_CLASSES:
            self.confusion = np.asarray(figures['confusion']).astype(int).tolist()

    def _add_examples(self, examples: OutputArtifact) -> str:
        with open(os.path.join(examples.uri, EXAMPLES_FILE), encoding='utf-8') as file:
            summary = Summary.from_json(file.read())
        self.examples = {
            **{name: rows + summary.texts[name] for name, rows in summary.labelled_by_split.items()},
            'unlabelled': summary.unlabelled,
            'empty': summary.empty,
            'duplicates': summary.duplicates,
        }
        line = f'{summary.rows - summary.empty - summary.duplicates:,} of {summary.rows:,} rows'
        if not summary.teacher:
            return line
        self.examples['teacher'] = summary.teacher.get('kept', 0)
        return f'{line}, {teacher_line(summary.teacher)}'

    def _add_teacher(self, taught: OutputArtifact) -> str:
        self.teacher = _read(taught, TEACHER_FILE) | {'scores': os.path.join(taught.uri, SCORES_FILE)}
        return f'{self.teacher["rows"]:,} texts scored, {self.teacher["accuracy"]:.1%} on the validation rows'

    def _add_blessing(self, blessed: bool) -> str:
        self.blessed = self.blessed and blessed
        return 'blessed' if blessed else 'not blessed'

    def _add_serving_check(self, check: dict[str, Any]) -> str:
        verdict = self._add_blessing(not check['reason'])
        if check['reason']:
            return verdict
        grpc, rest = float(check['grpc']), float(check['rest'])
        return f'{check["rows"]:,} rows, within {grpc:.1g} (gRPC) and {rest:.1g} (REST)'

    def _add_push(self, pushed_model: OutputArtifact) -> str:
        properties = pushed_model.properties
        self.reason = str(properties.get('reason', ''))
        if 'pushed_version' not in properties:
            return 'not pushed'
        self.version = int(properties['pushed_version'])
        self.destination = str(properties['pushed_destination'])
        self.pushed = bool(properties['pushed'])
        return f'version {self.version}' + ('' if self.pushed else ', pushed before')


def _plain(values: float | np.ndarray) -> list[float | None]:
    """JSON has no NaN."""
    return [None if np.isnan(value) else float(value) for value in np.atleast_1d(values)]


def _read(artifact: OutputArtifact, name: str) -> dict[str, Any]:
    with open(os.path.join(artifact.uri, name), encoding='utf-8') as file:
        values: dict[str, Any] = json.load(file)
    return values
