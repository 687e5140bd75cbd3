"""What a killed run leaves: executions that are marked as running for ever, and half-written folders."""

import glob
import logging
import os
import shutil

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

_LOG = logging.getLogger(__name__)
_State = metadata_store_pb2.Execution  # type: ignore[attr-defined]
_UNFINISHED = (_State.NEW, _State.RUNNING)


def clear(store: MetadataStore, artifacts: str) -> None:
    """Marks executions that no process works at any more as failed, and removes what they had begun to write.

    Args:
        store: of a run's folder whose lock the caller holds.
        artifacts: folder of the artifacts, `<component>/<output>/<execution id>` below it.
    """
    dead = [execution for execution in store.get_executions() if execution.last_known_state in _UNFINISHED]
    for execution in dead:
        _LOG.info('execution %d was cut off by the end of an earlier run', execution.id)
        for pattern in ('*/*', '*/.system/executor_execution'):
            for folder in glob.glob(os.path.join(glob.escape(artifacts), pattern, str(execution.id))):
                shutil.rmtree(folder)
        execution.last_known_state = _State.FAILED
    if dead:
        store.put_executions(dead)
