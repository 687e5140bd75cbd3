"""The AtomicPusher component."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.pusher import executor


class AtomicPusherSpec(component_spec.ComponentSpec):
    """Parameters, inputs and outputs of `AtomicPusher`."""

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
    """A TFX component that copies a blessed model to `<serving_dir>/<next version>` in one atomic step.

    TFX's own Pusher copies file by file, so that a server can find a version before it is complete. This one copies
    under a hidden name on the same disk and renames the folder. A model that was already pushed gets no new version.

    Example:
        pusher = AtomicPusher(
            model=trainer.outputs['model'],
            model_blessing=evaluator.outputs['blessing'],
            infra_blessing=serving_check.outputs['blessing'],
            serving_dir='/srv/models/reviews',
        )

    Component `outputs` contains:
        `pushed_model`: channel of type `standard_artifacts.PushedModel` with the custom properties `pushed` (1 if a
            version was added), `pushed_version` and `pushed_destination` (also of an earlier version with the same
            content), or `reason` if a blessing is missing.
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
        """Constructs an AtomicPusher component.

        Args:
            model: channel of type `standard_artifacts.Model`, in the layout of TFX's Trainer.
            serving_dir: base path of the served model, on a mounted file system; it is created if it does not exist.
            model_blessing: channel of type `standard_artifacts.ModelBlessing`, from an Evaluator; without it the
                model is pushed whatever its quality.
            infra_blessing: channel of type `standard_artifacts.InfraBlessing`, from a ServingCheck or InfraValidator.
        """
        super().__init__(
            AtomicPusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                serving_dir=serving_dir,
                pushed_model=Channel(type=standard_artifacts.PushedModel),
            )
        )
