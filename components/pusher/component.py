"""The component that hands a model over to the servers."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.pusher import executor


class AtomicPusherSpec(component_spec.ComponentSpec):
    PARAMETERS = {'serving_dir': component_spec.ExecutionParameter(type=str)}  # noqa: RUF012
    INPUTS = {  # noqa: RUF012
        'model': component_spec.ChannelParameter(type=standard_artifacts.Model),
        'model_blessing': component_spec.ChannelParameter(
            type=standard_artifacts.ModelBlessing, optional=True
        ),
        'infra_blessing': component_spec.ChannelParameter(
            type=standard_artifacts.InfraBlessing, optional=True
        ),
    }
    OUTPUTS = {  # noqa: RUF012
        'pushed_model': component_spec.ChannelParameter(type=standard_artifacts.PushedModel)
    }


class AtomicPusher(base_component.BaseComponent):
    """Copies a blessed model to `<serving_dir>/<next number>`, in one step; TFX's own Pusher copies file by file.

    The artifact `pushed_model` has the custom properties `pushed` (1 if a version was added), `pushed_version` and
    `pushed_destination` (also where the same model was there already), or `reason` where a blessing is missing.

    Args:
        model: what the Trainer made.
        serving_dir: folder of the served model, on a mounted disk.
        model_blessing, infra_blessing: of Evaluator and ServingCheck.
    """

    SPEC_CLASS = AtomicPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: BaseChannel[Any],
        serving_dir: str,
        model_blessing: BaseChannel[Any] | None = None,
        infra_blessing: BaseChannel[Any] | None = None,
    ) -> None:
        super().__init__(
            AtomicPusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                serving_dir=serving_dir,
                pushed_model=Channel(type=standard_artifacts.PushedModel),
            )
        )
