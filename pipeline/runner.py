"""Runs a pipeline on this machine, one component after another."""

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
from vaiven.pipeline.artifact_outputs import Outputs, execution_outputs
from vaiven.pipeline.root_cause import root_cause
from vaiven.pipeline.store import StoreError

_LOG = logging.getLogger(__name__)
_State = metadata_store_pb2.Execution  # type: ignore[attr-defined]


class ComponentError(UserError):
    """A component failed. The message names the component and the cause; the exit status is that of the cause.

    Attributes:
        component: id of the component.
        exit_status: of the cause, or 1.
    """

    def __init__(self, component: str, reason: str, cause: BaseException | None = None) -> None:
        super().__init__(f'{component} failed: {reason}')
        self.component = component
        self.exit_status = getattr(cause, 'exit_status', 1)


@dataclasses.dataclass(frozen=True)
class ComponentResult:
    """The result of one component.

    Attributes:
        name: id of the component.
        seconds: wall time, including lookups in the metadata store.
        cached: whether the outputs come from an earlier run.
        outputs: its output artifacts.
    """

    name: str
    seconds: float
    cached: bool
    outputs: Outputs


def run(
    pipeline: tfx_pipeline.Pipeline,
    uncached: Collection[str],
    sources: Mapping[str, tuple[str, ...]],
    on_start: Callable[[str, int, int], None],
    on_end: Callable[[ComponentResult], None],
) -> list[ComponentResult]:
    """Runs the components of a pipeline in order.

    Args:
        pipeline: the pipeline, with its metadata in SQLite. The caller holds the lock of its folder.
        uncached: ids of components that are never taken from the cache.
        sources: files of this package that each component runs; a component runs again if they have changed.
        on_start: called with the id of a component, its number from 1, and the number of components.
        on_end: called with the result of a component.

    Returns:
        The result of each component.

    Raises:
        ComponentError: a component failed. The next run takes the results of those before it from the cache.
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
        with store as connection:
            stale_runs.clear_stale_executions(connection.store, str(pipeline.pipeline_info.pipeline_root))
    except (OSError, RuntimeError, StatusError) as error:
        raise StoreError(f'the metadata store cannot be used: {root_cause(error)[1]}') from error
    results = []
    for number, entry in enumerate(program.nodes, start=1):
        name = entry.pipeline_node.node_info.id
        if name in uncached:
            entry.pipeline_node.execution_options.caching_options.enable_cache = False
        on_start(name, number, len(program.nodes))
        _LOG.info('%s starts', name)
        result = _launch(program, entry.pipeline_node, deployment, store, sources)
        _LOG.info(
            '%s ended after %.1f s%s', name, result.seconds, ' (from the cache)' if result.cached else ''
        )
        results.append(result)
        on_end(result)
    return results


def _launch(
    program: pipeline_pb2.Pipeline,  # type: ignore[name-defined]
    node: pipeline_pb2.PipelineNode,  # type: ignore[name-defined]
    deployment: local_deployment_config_pb2.LocalDeploymentConfig,  # type: ignore[name-defined]
    store: metadata.Metadata,
    sources: Mapping[str, tuple[str, ...]],
) -> ComponentResult:
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
        raise ComponentError(name, 'it did not run, because inputs are missing')
    with store as connection:
        [execution] = connection.store.get_executions_by_id([info.execution_id])
        outputs = execution_outputs(connection.store, execution.id)
    if execution.last_known_state not in (_State.CACHED, _State.COMPLETE):
        # The launcher records some failures, such as those of input resolution, without raising.
        raise ComponentError(name, 'its inputs could not be resolved')
    return ComponentResult(
        name, time.monotonic() - start, execution.last_known_state == _State.CACHED, outputs
    )
