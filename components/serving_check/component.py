"""The ServingCheck component."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.examples import TEST_SPLIT, TEXT_FEATURE
from vaiven.components.parameters import require_names
from vaiven.components.serving_check import executor
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.configuration import to_json


class ServingCheckSpec(component_spec.ComponentSpec):
    """Parameters, inputs and outputs of `ServingCheck`."""

    PARAMETERS = {  # noqa: RUF012
        'config': component_spec.ExecutionParameter(type=str),
        'split': component_spec.ExecutionParameter(type=str, optional=True),
        'text_feature': component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {  # noqa: RUF012
        'model': component_spec.ChannelParameter(type=standard_artifacts.Model),
        'examples': component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {  # noqa: RUF012
        'blessing': component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)
    }


class ServingCheck(base_component.BaseComponent):
    """A TFX component that serves a candidate model and compares its answers with those of the SavedModel.

    It starts a server process on the model, sends it held-out texts over gRPC and REST, and requires the answers that
    the SavedModel gives in this process. Every signature must answer, also to empty, Spanish, emoji and right-to-left
    text.

    Example:
        serving_check = ServingCheck(
            model=trainer.outputs['model'],
            examples=example_gen.outputs['examples'],
            config=ServingCheckConfig(max_rows=500),
            split='eval',
            text_feature='review',
        )

    Component `outputs` contains:
        `blessing`: channel of type `standard_artifacts.InfraBlessing`, a folder that also has `check.json` with the
            differences; the custom property `reason` says why a model is not blessed.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: BaseChannel[Any],
        examples: BaseChannel[Any],
        config: ServingCheckConfig,
        split: str = TEST_SPLIT,
        text_feature: str = TEXT_FEATURE,
    ) -> None:
        """Constructs a ServingCheck component.

        Args:
            model: channel of type `standard_artifacts.Model`: a SavedModel with the signature `serving_default`.
            examples: channel of type `standard_artifacts.Examples`, gzipped TFRecords of tf.Examples.
            config: number of texts, batch size, tolerance and time to load.
            split: name of the split whose texts are sent.
            text_feature: name of the feature with the text, and of the signatures' inputs unless those are `text`.

        Raises:
            ConfigError: if a name is empty.
        """
        require_names('ServingCheck', split=split, text_feature=text_feature)
        super().__init__(
            ServingCheckSpec(
                model=model,
                examples=examples,
                config=to_json(config),
                split=split,
                text_feature=text_feature,
                blessing=Channel(type=standard_artifacts.InfraBlessing),
            )
        )
