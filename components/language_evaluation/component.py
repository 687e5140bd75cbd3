"""The component that blesses a language model, or does not."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.language_evaluation import executor
from vaiven.configuration import to_json
from vaiven.models.text.config import TextConfig


class LanguageEvaluatorSpec(component_spec.ComponentSpec):
    PARAMETERS = {  # noqa: RUF012
        'config': component_spec.ExecutionParameter(type=str),
        'text': component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        'examples': component_spec.ChannelParameter(type=standard_artifacts.Examples),
        'model': component_spec.ChannelParameter(type=standard_artifacts.Model),
        'baseline_model': component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        'evaluation': component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        'blessing': component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class LanguageEvaluator(base_component.BaseComponent):
    """Measures bits a character on the split `test`; lets the model write, and looks for what it has copied.

    `evaluation` is a folder with `language.json`; `blessing` is what TFX's own Evaluator would make, with the custom
    property `reason` besides.

    Args:
        examples: with the splits `train` and `test`.
        model: what the Trainer made.
        config: the bounds.
        text: how the model's texts are normalised.
        baseline_model: the blessed model that it is compared with.
    """

    SPEC_CLASS = LanguageEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel[Any],
        model: BaseChannel[Any],
        config: EvaluationConfig,
        text: TextConfig,
        baseline_model: BaseChannel[Any] | None = None,
    ) -> None:
        super().__init__(
            LanguageEvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                config=to_json(config),
                text=to_json(text),
                evaluation=Channel(type=standard_artifacts.ModelEvaluation),
                blessing=Channel(type=standard_artifacts.ModelBlessing),
            )
        )
