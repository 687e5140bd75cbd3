"""What a run has reached, read from the artifacts of its components."""

import dataclasses
import json
import os
from typing import Any

from tensorflow_model_analysis.api import model_eval_lib

from vaiven.components.evaluation.calibration import calibration_error
from vaiven.components.language_evaluation.executor import EVALUATION_FILE
from vaiven.components.linear_baseline.artifact import BASELINE_FILE
from vaiven.components.serving_check.executor import CHECK_FILE
from vaiven.components.vocabulary.artifact import SUMMARY_FILE
from vaiven.pipeline.artifact_outputs import Output
from vaiven.pipeline.runner import Step

_CANDIDATES = ('', 'candidate')


@dataclasses.dataclass
class Figures:
    """Filled in as the components of a run end.

    Attributes:
        accuracy: of the model on the held-out rows, a part of 1.
        calibration_error: the expected one, over those rows.
        brier: mean squared error of the probabilities, over those rows.
        majority, linear: the same of the majority class and of a linear model.
        rows: held-out rows.
        version: the version pushed; None where nothing was.
        pushed: whether that version is new; else the same model was there already.
        destination: folder of the version.
        reason: why nothing was pushed.
        curves: folder of the learning curves, for TensorBoard.
        language: what was measured of a language model; see `components.language_evaluation.evaluate.Evaluation`.
    """

    accuracy: float | None = None
    calibration_error: float | None = None
    brier: float | None = None
    majority: float | None = None
    linear: float | None = None
    rows: int | None = None
    version: int | None = None
    pushed: bool = False
    destination: str = ''
    reason: str = ''
    curves: str = ''
    language: dict[str, Any] | None = None

    def note(self, step: Step) -> str:
        """Keeps what the component found, and gives it back in a few words."""
        outputs = {key: artifacts[0] for key, artifacts in step.outputs.items() if artifacts}
        match step.name:
            case 'TextExampleGen':
                counts = outputs['examples'].properties
                rows, *dropped = (int(counts[name]) for name in ('rows', 'empty', 'duplicates'))
                return f'{rows - sum(dropped):,} of {rows:,} rows'
            case 'Vocabulary':
                summary = _read(outputs['vocabulary'], SUMMARY_FILE)
                return f'{summary["size"]:,} tokens, {summary["coverage"]:.1%} of the text'
            case 'Trainer':
                self.curves = outputs['model_run'].uri
            case 'BaselineModel':
                return '' if 'model' in outputs else 'no blessed model before this one'
            case 'Evaluator':
                evaluation = outputs['evaluation'].uri
                self.accuracy = held_out(evaluation, 'binary_accuracy')
                self.brier = held_out(evaluation, 'mean_squared_error')
                self.calibration_error = held_out_calibration(evaluation)
                verdict = 'blessed' if outputs['blessing'].properties.get('blessed') else 'not blessed'
                return verdict if self.accuracy is None else f'accuracy {self.accuracy:.1%}, {verdict}'
            case 'LanguageEvaluator':
                self.language = _read(outputs['evaluation'], EVALUATION_FILE)
                bits = self.language['bits_per_character']
                verdict = 'not blessed' if self.language['reason'] else 'blessed'
                return verdict if bits is None else f'{bits:.3f} bits a character, {verdict}'
            case 'LinearBaseline':
                found = _read(outputs['baseline'], BASELINE_FILE)
                self.majority, self.linear, self.rows = found['majority'], found['nb_svm'], found['rows']
                return f'majority class {self.majority:.1%}, NB-SVM {self.linear:.1%}'
            case 'ServingCheck':
                return _checked(_read(outputs['blessing'], CHECK_FILE))
            case 'AtomicPusher':
                return self._push(outputs['pushed_model'])
        return ''

    def _push(self, pushed_model: Output) -> str:
        properties = pushed_model.properties
        self.reason = str(properties.get('reason', ''))
        if 'pushed_version' not in properties:
            return 'not pushed'
        self.version = int(properties['pushed_version'])
        self.destination = str(properties['pushed_destination'])
        self.pushed = bool(properties['pushed'])
        return f'version {self.version}' + ('' if self.pushed else ', was there already')


def held_out(evaluation_uri: str, metric: str) -> float | None:
    """What the candidate reached over all rows, from the records of TFX's Evaluator."""
    for metrics in model_eval_lib.load_metrics(evaluation_uri):
        if metrics.slice_key.single_slice_keys:
            continue
        for pair in metrics.metric_keys_and_values:
            if pair.key.name == metric and not pair.key.is_diff and pair.key.model_name in _CANDIDATES:
                return float(pair.value.double_value.value)
    return None


def held_out_calibration(evaluation_uri: str) -> float | None:
    """The candidate's expected calibration error over all rows; None where it was not measured."""
    for plots in model_eval_lib.load_plots(evaluation_uri):
        for pair in plots.plot_keys_and_values:
            if plots.slice_key.single_slice_keys or pair.key.model_name not in _CANDIDATES:
                continue
            return calibration_error(
                [
                    (
                        part.num_weighted_examples.value,
                        part.total_weighted_label.value,
                        part.total_weighted_refined_prediction.value,
                    )
                    for part in pair.value.calibration_histogram_buckets.buckets
                ]
            )
    return None


def _read(artifact: Output, name: str) -> dict[str, Any]:
    with open(os.path.join(artifact.uri, name), encoding='utf-8') as file:
        values: dict[str, Any] = json.load(file)
    return values


def _checked(check: dict[str, Any]) -> str:
    if check['reason']:
        return 'not blessed'
    return f'{check["rows"]:,} rows, within {float(check["grpc"]):.1g} (gRPC) and {float(check["rest"]):.1g} (REST)'
