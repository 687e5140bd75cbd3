"""The PairedEvaluator component."""

from collections.abc import Sequence
from typing import Any

from tensorflow_model_analysis.proto import config_pb2
from tfx.components import Evaluator
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import json_utils

from vaiven.components.evaluation import executor
from vaiven.components.evaluation.behaviour.selection import BehaviourTests
from vaiven.components.examples import TEST_SPLIT, TEXT_FEATURE
from vaiven.components.parameters import names_to_json, require_names


class PairedEvaluatorSpec(standard_component_specs.EvaluatorSpec):
    """The parameters, inputs and outputs of TFX's Evaluator, and the parameters `text_feature` and `behaviour`."""

    PARAMETERS = {  # noqa: RUF012
        **standard_component_specs.EvaluatorSpec.PARAMETERS,
        'text_feature': component_spec.ExecutionParameter(type=str, optional=True),
        'behaviour': component_spec.ExecutionParameter(type=str, optional=True),
    }


class PairedEvaluator(Evaluator):
    """TFX's Evaluator with a paired test in place of the change threshold.

    TFX refuses a model whose measured accuracy fell by more than the change threshold; on few examples that happens by
    chance. This component predicts the same examples with both models and refuses the candidate only if the drop is
    proven at 95 % confidence (McNemar 1947, with the exact bound of Clopper & Pearson 1934). Every other metric and
    threshold works as in TFX. The models take raw text: their signature has one string input named `text_feature`.

    Example:
        evaluator = PairedEvaluator(
            examples=example_gen.outputs['examples'],
            model=trainer.outputs['model'],
            baseline_model=model_resolver.outputs['model'],
            eval_config=eval_config(EvaluationConfig(min_accuracy=0.7)),
            example_splits=['eval'],
        )

    Component `outputs` contains:
        `evaluation`: channel of type `standard_artifacts.ModelEvaluation`; with a baseline model, the folder also has
            `pairs.json`, and with behavioural tests `behaviour.json`.
        `blessing`: channel of type `standard_artifacts.ModelBlessing`; the custom property `reason` says why a model
            is not blessed.
    """

    SPEC_CLASS = PairedEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel[Any],
        model: BaseChannel[Any],
        eval_config: config_pb2.EvalConfig,
        baseline_model: BaseChannel[Any] | None = None,
        example_splits: Sequence[str] = (TEST_SPLIT,),
        text_feature: str = TEXT_FEATURE,
        behaviour: BehaviourTests | None = None,
    ) -> None:
        """Constructs a PairedEvaluator component.

        Args:
            examples: channel of type `standard_artifacts.Examples`, gzipped TFRecords of tf.Examples.
            model: channel of type `standard_artifacts.Model`: the candidate.
            eval_config: metrics and thresholds, as `vaiven.components.evaluation.evaluation.eval_config` returns them.
                Its model spec gives the signature, the prediction key and the label key.
            baseline_model: channel of type `standard_artifacts.Model`: usually the latest blessed model.
            example_splits: names of the splits that are measured.
            text_feature: name of the feature with the text, and of the signature's input.
            behaviour: the behavioural tests; None for none.

        Raises:
            ConfigError: if a name is empty.
        """
        require_names('PairedEvaluator', text_feature=text_feature)
        names_to_json('PairedEvaluator', 'example_splits', example_splits)
        spec = PairedEvaluatorSpec(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            eval_config=eval_config,
            example_splits=json_utils.dumps(list(example_splits)),
            fairness_indicator_thresholds=json_utils.dumps(None),
            text_feature=text_feature,
            behaviour=behaviour.to_json() if behaviour else None,
            evaluation=Channel(type=standard_artifacts.ModelEvaluation),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
        )
        # Evaluator's own constructor would build its own specification, without `text_feature`.
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
