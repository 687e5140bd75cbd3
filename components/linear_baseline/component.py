"""The LinearBaseline component."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.examples import LABEL_FEATURE, TEST_SPLIT, TEXT_FEATURE, TRAIN_SPLIT
from vaiven.components.linear_baseline import executor
from vaiven.components.linear_baseline.artifact import LinearBaselineArtifact
from vaiven.components.parameters import require_names
from vaiven.configuration import to_json
from vaiven.label_spec import LabelSpec


class LinearBaselineSpec(component_spec.ComponentSpec):
    """Parameters, inputs and outputs of `LinearBaseline`."""

    PARAMETERS = {  # noqa: RUF012
        'train_split': component_spec.ExecutionParameter(type=str, optional=True),
        'test_split': component_spec.ExecutionParameter(type=str, optional=True),
        'text_feature': component_spec.ExecutionParameter(type=str, optional=True),
        'label_feature': component_spec.ExecutionParameter(type=str, optional=True),
        'labels': component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {  # noqa: RUF012
        'examples': component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS = {  # noqa: RUF012
        'baseline': component_spec.ChannelParameter(type=LinearBaselineArtifact)
    }


class LinearBaseline(base_component.BaseComponent):
    """A TFX component that measures the accuracy that a network has to exceed.

    It trains an NB-SVM on word unigrams and bigrams (Wang & Manning 2012) on one split, and measures it and the
    majority class on another. Every example of both splits has a label.

    Example:
        example_gen = CsvExampleGen(input_base='reviews')
        baseline = LinearBaseline(
            examples=example_gen.outputs['examples'],
            test_split='eval',
            text_feature='review',
            label_feature='is_positive',
        )

    Component `outputs` contains:
        `baseline`: channel of type `vaiven.components.linear_baseline.artifact.LinearBaselineArtifact`, a folder with
            `baseline.json`.
    """

    SPEC_CLASS = LinearBaselineSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel[Any],
        train_split: str = TRAIN_SPLIT,
        test_split: str = TEST_SPLIT,
        text_feature: str = TEXT_FEATURE,
        label_feature: str = LABEL_FEATURE,
        labels: LabelSpec | None = None,
    ) -> None:
        """Constructs a LinearBaseline component.

        Args:
            examples: channel of type `standard_artifacts.Examples`, gzipped TFRecords of tf.Examples.
            train_split: name of the split that the NB-SVM learns from.
            test_split: name of the split that the accuracy is measured on.
            text_feature: name of the feature with the text, one UTF-8 string in each example.
            label_feature: name of the feature with the label, one int64 in each example: the index of the class.
                With several labels per text, any number of them.
            labels: kind and classes; by default those of sentiment: 0 negative, 1 positive.

        Raises:
            ConfigError: if a name is empty.
        """
        names = {
            'train_split': train_split,
            'test_split': test_split,
            'text_feature': text_feature,
            'label_feature': label_feature,
        }
        require_names('LinearBaseline', **names)
        super().__init__(
            LinearBaselineSpec(
                examples=examples,
                baseline=Channel(type=LinearBaselineArtifact),
                labels=to_json(labels or LabelSpec()),
                **names,
            )
        )
