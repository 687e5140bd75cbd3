"""Runs a pipeline on this machine, one component after another, and tells what became of each."""

import dataclasses
import datetime
import logging
import time
from collections.abc import Callable, Collection, Mapping

from ml_metadata.errors import StatusError
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import local_deployment_config_pb2, pipeline_pb2

from vaiven.errors import UserError
from vaiven.pipeline import code_digest, stale_runs
from vaiven.pipeline.artifact_outputs import Outputs, outputs_of
from vaiven.pipeline.root_cause import root_cause
from vaiven.pipeline.store import StoreError

_LOG = logging.getLogger(__name__)
_State = metadata_store_pb2.Execution  # type: ignore[attr-defined]


class ComponentError(UserError):
    """A component failed; the message says which, and why. The exit status is that of the cause."""

    def __init__(self, component: str, reason: str, cause: BaseException | None = None) -> None:
        super().__init__(f'{component} failed: {reason}')
        self.component = component
        self.exit_status = getattr(cause, 'exit_status', 1)


@dataclasses.dataclass(frozen=True)
class Step:
    """What became of one component.

    Attributes:
        name: id of the component.
        seconds: wall time, the lookups in the metadata included.
        cached: whether its outputs are those of an earlier run.
        outputs: its artifacts.
    """

    name: str
    seconds: float
    cached: bool
    outputs: Outputs


def run(
    pipeline: tfx_pipeline.Pipeline,
    always: Collection[str],
    sources: Mapping[str, tuple[str, ...]],
    began: Callable[[str, int, int], None],
    ended: Callable[[Step], None],
) -> list[Step]:
    """Runs the components of a pipeline in order.

    Args:
        pipeline: with its metadata in SQLite. The caller holds the lock of its folder.
        always: ids of components that are never taken from the cache.
        sources: which files of this package a component runs; changed ones run it again.
        began: called with a component's name, its number from 1, and how many there are.
        ended: called when the component is done.

    Raises:
        ComponentError: as soon as one fails; those before it stay done, and the next run finds them in the cache.
        StoreError: the metadata store cannot be opened or written.
    """
    program = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        program, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: datetime.datetime.now().isoformat()}
    )
    deployment = runner_utils.extract_local_deployment_config(program)
    connections = deployment.metadata_connection_config
    store = metadata.Metadata(getattr(connections, connections.WhichOneof('connection_config')))
    try:
        with store as opened:
            stale_runs.clear(opened.store, str(pipeline.pipeline_info.pipeline_root))
    except (OSError, RuntimeError, StatusError) as error:
        raise StoreError(f'the metadata store cannot be used: {root_cause(error)[1]}') from error
    steps = []
    for number, entry in enumerate(program.nodes, start=1):
        name = entry.pipeline_node.node_info.id
        if name in always:
            entry.pipeline_node.execution_options.caching_options.enable_cache = False
        began(name, number, len(program.nodes))
        _LOG.info('%s begins', name)
        step = _launch(program, entry.pipeline_node, deployment, store, sources)
        _LOG.info('%s ended after %.1f s%s', name, step.seconds, ' (from the cache)' if step.cached else '')
        steps.append(step)
        ended(step)
    return steps


def _launch(
    program: pipeline_pb2.Pipeline,  # type: ignore[name-defined]
    node: pipeline_pb2.PipelineNode,  # type: ignore[name-defined]
    deployment: local_deployment_config_pb2.LocalDeploymentConfig,  # type: ignore[name-defined]
    store: metadata.Metadata,
    sources: Mapping[str, tuple[str, ...]],
) -> Step:
    start = time.monotonic()
    name = node.node_info.id
    executor_spec = runner_utils.extract_executor_spec(deployment, name)
    if executor_spec is not None:
        parameter = node.parameters.parameters[code_digest.PARAMETER]
        parameter.field_value.string_value = code_digest.digest(tuple(sources.get(name, ())))
    try:
        info = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=store,
            pipeline_info=program.pipeline_info,
            pipeline_runtime_spec=program.runtime_spec,
            executor_spec=executor_spec,
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        ).launch()
    except Exception as error:
        _LOG.exception('%s failed', name)
        cause, reason = root_cause(error)
        raise ComponentError(name, reason, cause) from error
    if info is None or not info.execution_id:
        raise ComponentError(name, 'it was not run, as inputs were missing')
    with store as opened:
        [execution] = opened.store.get_executions_by_id([info.execution_id])
        outputs = outputs_of(opened.store, execution.id)
    if execution.last_known_state not in (_State.CACHED, _State.COMPLETE):
        # The launcher publishes some failures, as those of input resolution, without raising.
        raise ComponentError(name, 'its inputs could not be resolved')
    return Step(name, time.monotonic() - start, execution.last_known_state == _State.CACHED, outputs)
