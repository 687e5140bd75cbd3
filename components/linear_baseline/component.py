"""The component that says what the network has to beat."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.linear_baseline import executor
from vaiven.components.linear_baseline.artifact import LinearBaselineArtifact


class LinearBaselineSpec(component_spec.ComponentSpec):
    PARAMETERS = {}  # noqa: RUF012
    INPUTS = {  # noqa: RUF012
        'examples': component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS = {  # noqa: RUF012
        'baseline': component_spec.ChannelParameter(type=LinearBaselineArtifact)
    }


class LinearBaseline(base_component.BaseComponent):
    """Trains an NB-SVM on the split `train`; measures it, and the majority class, on the split `test`.

    Example:
        baseline = LinearBaseline(examples.outputs['examples'])
        baseline.outputs['baseline']  # of type LinearBaselineArtifact
    """

    SPEC_CLASS = LinearBaselineSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, examples: BaseChannel[Any]) -> None:
        super().__init__(LinearBaselineSpec(examples=examples, baseline=Channel(type=LinearBaselineArtifact)))
