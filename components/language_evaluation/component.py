"""The LanguageEvaluator component."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.examples import TEST_SPLIT, TEXT_FEATURE, TRAIN_SPLIT
from vaiven.components.language_evaluation import executor
from vaiven.components.parameters import require_names
from vaiven.configuration import to_json
from vaiven.models.text.config import TextConfig


class LanguageEvaluatorSpec(component_spec.ComponentSpec):
    """Parameters, inputs and outputs of `LanguageEvaluator`."""

    PARAMETERS = {  # noqa: RUF012
        'config': component_spec.ExecutionParameter(type=str),
        'text': component_spec.ExecutionParameter(type=str),
        'train_split': component_spec.ExecutionParameter(type=str, optional=True),
        'test_split': component_spec.ExecutionParameter(type=str, optional=True),
        'text_feature': component_spec.ExecutionParameter(type=str, optional=True),
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
    """A TFX component that measures a language model on held-out text and blesses it.

    It reports bits per character and perplexity beside two baselines without a network, generates samples, and finds
    the longest passage of the samples that is copied from the training text. The model is exported by this project's
    Trainer: its signatures `score` and `generate` are called.

    Example:
        evaluator = LanguageEvaluator(
            examples=example_gen.outputs['examples'],
            model=trainer.outputs['model'],
            config=EvaluationConfig(max_bits_per_character=2.5),
            text=TextConfig(unit='character'),
            test_split='eval',
        )

    Component `outputs` contains:
        `evaluation`: channel of type `standard_artifacts.ModelEvaluation`, a folder with `language.json`.
        `blessing`: channel of type `standard_artifacts.ModelBlessing`, as TFX's Evaluator writes it; the custom
            property `reason` says why a model is not blessed.
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
        train_split: str = TRAIN_SPLIT,
        test_split: str = TEST_SPLIT,
        text_feature: str = TEXT_FEATURE,
    ) -> None:
        """Constructs a LanguageEvaluator component.

        Args:
            examples: channel of type `standard_artifacts.Examples`, gzipped TFRecords of tf.Examples.
            model: channel of type `standard_artifacts.Model`: the candidate.
            config: the thresholds.
            text: how the model normalises texts.
            baseline_model: channel of type `standard_artifacts.Model`: usually the latest blessed model.
            train_split: name of the split that the model learned from.
            test_split: name of the split that is measured.
            text_feature: name of the feature with the text, one UTF-8 string in each example.

        Raises:
            ConfigError: if a name is empty.
        """
        names = {'train_split': train_split, 'test_split': test_split, 'text_feature': text_feature}
        require_names('LanguageEvaluator', **names)
        super().__init__(
            LanguageEvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                config=to_json(config),
                text=to_json(text),
                evaluation=Channel(type=standard_artifacts.ModelEvaluation),
                blessing=Channel(type=standard_artifacts.ModelBlessing),
                **names,
            )
        )
