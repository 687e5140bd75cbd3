"""The component that asks a real server before a model is pushed."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.serving_check import executor
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.configuration import to_json


class ServingCheckSpec(component_spec.ComponentSpec):
    PARAMETERS = {'config': component_spec.ExecutionParameter(type=str)}  # noqa: RUF012
    INPUTS = {  # noqa: RUF012
        'model': component_spec.ChannelParameter(type=standard_artifacts.Model),
        'examples': component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {  # noqa: RUF012
        'blessing': component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)
    }


class ServingCheck(base_component.BaseComponent):
    """Starts a server on the candidate, asks it the held-out rows over gRPC and REST, and compares.

    The answers must be those of the SavedModel called in this process, and every signature must answer, to an empty
    text too. `blessing` is TFX's InfraBlessing; `check.json` below its address has the differences.

    Args:
        model: what the Trainer made.
        examples: with a split `test`.
        config: rows, tolerance.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self, model: BaseChannel[Any], examples: BaseChannel[Any], config: ServingCheckConfig
    ) -> None:
        super().__init__(
            ServingCheckSpec(
                model=model,
                examples=examples,
                config=to_json(config),
                blessing=Channel(type=standard_artifacts.InfraBlessing),
            )
        )
