"""Cleans up after a killed run: executions that are still marked as running, and incomplete output folders."""

import glob
import logging
import os
import shutil

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

_LOG = logging.getLogger(__name__)
_State = metadata_store_pb2.Execution  # type: ignore[attr-defined]
_UNFINISHED = (_State.NEW, _State.RUNNING)


def clear_stale_executions(store: MetadataStore, artifacts: str) -> None:
    """Marks unfinished executions as failed and removes their output folders.

    Args:
        store: metadata store of a folder of runs, whose lock the caller holds.
        artifacts: folder of the artifacts, with subfolders `<component>/<output>/<execution id>`.
    """
    stale = [execution for execution in store.get_executions() if execution.last_known_state in _UNFINISHED]
    for execution in stale:
        _LOG.info('execution %d of an earlier run was interrupted', execution.id)
        for pattern in ('*/*', '*/.system/executor_execution'):
            for folder in glob.glob(os.path.join(glob.escape(artifacts), pattern, str(execution.id))):
                shutil.rmtree(folder)
        execution.last_known_state = _State.FAILED
    if stale:
        store.put_executions(stale)
