"""The results of a run, read from the artifacts of its components."""

import dataclasses
import json
import os
from typing import Any

from tensorflow_model_analysis.api import model_eval_lib

from vaiven.components.language_evaluation.executor import EVALUATION_FILE
from vaiven.components.linear_baseline.artifact import BASELINE_FILE
from vaiven.components.serving_check.executor import CHECK_FILE
from vaiven.components.text_example_gen.executor import SUMMARY_FILE as EXAMPLES_FILE
from vaiven.components.text_example_gen.summary import Summary
from vaiven.components.vocabulary.artifact import SUMMARY_FILE
from vaiven.pipeline.artifact_outputs import OutputArtifact
from vaiven.pipeline.runner import ComponentResult
from vaiven.serving.evaluation.calibration import calibration_error

_CANDIDATES = ('', 'candidate')


@dataclasses.dataclass
class RunResults:
    """The results of a run, filled in as its components end.

    Attributes:
        accuracy: accuracy on the held-out rows, 0 to 1.
        calibration_error: expected calibration error on these rows.
        brier: Brier score (mean squared error of the probabilities) on these rows.
        majority: accuracy of the majority class on these rows.
        linear: accuracy of a linear model (NB-SVM) on these rows.
        rows: number of held-out rows.
        examples: number of examples by split, and of dropped rows: `empty` and `duplicates`.
        blessed: whether both the evaluation and the serving check passed.
        version: the pushed version; None if nothing was pushed.
        pushed: whether the version is new. If not, the same model had been pushed before.
        destination: folder of the version.
        reason: why nothing was pushed.
        curves: folder of the learning curves, for TensorBoard.
        language: the evaluation of a language model, with the keys of
            `vaiven.components.language_evaluation.evaluate.LanguageEvaluation`.
        seconds: duration of the run.
    """

    accuracy: float | None = None
    calibration_error: float | None = None
    brier: float | None = None
    majority: float | None = None
    linear: float | None = None
    rows: int | None = None
    examples: dict[str, int] = dataclasses.field(default_factory=dict)
    blessed: bool = True
    version: int | None = None
    pushed: bool = False
    destination: str = ''
    reason: str = ''
    curves: str = ''
    language: dict[str, Any] | None = None
    seconds: float = 0.0

    def add(self, result: ComponentResult) -> str:
        """Adds the results of a component; returns a short summary of them."""
        outputs = {key: artifacts[0] for key, artifacts in result.outputs.items() if artifacts}
        match result.name:
            case 'TextExampleGen':
                return self._add_examples(outputs['examples'])
            case 'Vocabulary':
                summary = _read(outputs['vocabulary'], SUMMARY_FILE)
                return f'{summary["size"]:,} tokens, {summary["coverage"]:.1%} of the text'
            case 'Trainer':
                self.curves = outputs['model_run'].uri
            case 'BaselineModel':
                return '' if 'model' in outputs else 'no earlier blessed model'
            case 'Evaluator':
                evaluation = outputs['evaluation'].uri
                self.accuracy = held_out_metric(evaluation, 'binary_accuracy')
                self.brier = held_out_metric(evaluation, 'mean_squared_error')
                self.calibration_error = held_out_calibration_error(evaluation)
                verdict = self._add_blessing(bool(outputs['blessing'].properties.get('blessed')))
                return verdict if self.accuracy is None else f'accuracy {self.accuracy:.1%}, {verdict}'
            case 'LanguageEvaluator':
                self.language = _read(outputs['evaluation'], EVALUATION_FILE)
                bits = self.language['bits_per_character']
                verdict = self._add_blessing(not self.language['reason'])
                return verdict if bits is None else f'{bits:.3f} bits per character, {verdict}'
            case 'LinearBaseline':
                baseline = _read(outputs['baseline'], BASELINE_FILE)
                self.majority, self.linear = baseline['majority'], baseline['nb_svm']
                self.rows = baseline['rows']
                return f'majority class {self.majority:.1%}, NB-SVM {self.linear:.1%}'
            case 'ServingCheck':
                return self._add_serving_check(_read(outputs['blessing'], CHECK_FILE))
            case 'AtomicPusher':
                return self._add_push(outputs['pushed_model'])
        return ''

    def _add_examples(self, examples: OutputArtifact) -> str:
        with open(os.path.join(examples.uri, EXAMPLES_FILE), encoding='utf-8') as file:
            summary = Summary.from_json(file.read())
        self.examples = {
            **{name: sum(classes.values()) + summary.texts[name] for name, classes in summary.splits.items()},
            'unlabelled': summary.unlabelled,
            'empty': summary.empty,
            'duplicates': summary.duplicates,
        }
        return f'{summary.rows - summary.empty - summary.duplicates:,} of {summary.rows:,} rows'

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


def held_out_metric(evaluation_uri: str, metric: str) -> float | None:
    """A metric of the candidate over all held-out rows, from the evaluation of TFX's Evaluator.

    Args:
        evaluation_uri: location of the evaluation.
        metric: name of the metric.

    Returns:
        The value; None if it was not measured.
    """
    for metrics in model_eval_lib.load_metrics(evaluation_uri):
        if metrics.slice_key.single_slice_keys:
            continue
        for pair in metrics.metric_keys_and_values:
            if pair.key.name == metric and not pair.key.is_diff and pair.key.model_name in _CANDIDATES:
                return float(pair.value.double_value.value)
    return None


def held_out_calibration_error(evaluation_uri: str) -> float | None:
    """The expected calibration error of the candidate over all held-out rows; None if it was not measured."""
    for plots in model_eval_lib.load_plots(evaluation_uri):
        for pair in plots.plot_keys_and_values:
            if plots.slice_key.single_slice_keys or pair.key.model_name not in _CANDIDATES:
                continue
            return calibration_error(
                [
                    (
                        bucket.num_weighted_examples.value,
                        bucket.total_weighted_label.value,
                        bucket.total_weighted_refined_prediction.value,
                    )
                    for bucket in pair.value.calibration_histogram_buckets.buckets
                ]
            )
    return None


def _read(artifact: OutputArtifact, name: str) -> dict[str, Any]:
    with open(os.path.join(artifact.uri, name), encoding='utf-8') as file:
        values: dict[str, Any] = json.load(file)
    return values
