"""What the server is told to serve: changed in the order in which changes come, waited for without a lock."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vaiven.serving.common import files, log
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.status import StatusError
from vaiven.serving.server import availability, model_config
from vaiven.serving.server.log_folders import LogFolders
from vaiven.serving.server.manager import Manager
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.model_config import Model
from vaiven.serving.server.request_log import RequestLog


class Configuration:
    """Applies configurations to a manager, and has the request logs that they ask for."""

    def __init__(
        self,
        manager: Manager,
        *,
        metrics: Metrics | None = None,
        tags: Sequence[str] = ('serve',),
        log_folders: LogFolders | None = None,
        reloaded: Path | None = None,
    ) -> None:
        """
        Args:
            manager: has the models.
            metrics: counts what is logged.
            tags: of the meta graph, for the request logs.
            log_folders: where request logs may be written; None for the rule without roots.
            reloaded: the file that gets each configuration that `reload` took, once its models are available; None for
                none.
        """
        self.logs: dict[str, RequestLog] = {}  # by model; replaced whole
        self._manager = manager
        self._metrics = metrics
        self._tags = tuple(tags)
        self._folders = log_folders or LogFolders()
        self._reloaded = reloaded
        self._applied = 0
        self._keeping: asyncio.Task[None] | None = None
        self._lock = threading.Lock()  # never held while models are waited for
        self._thread = ThreadPoolExecutor(1, 'configure')  # one, so that the last to come is the last applied

    def apply(self, models: Sequence[Model], *, from_file: bool) -> list[Model]:
        """Serves exactly `models`, see `Manager.configure`, and logs their requests as they say.

        Args:
            models: all that is to be served.
            from_file: whether they are the operator's own, and not of a caller of ModelService.

        Returns:
            those of them to wait for.

        Raises:
            StatusError: a label or a log folder is not allowed; nothing is changed then.
        """
        with self._lock:
            self._folders.check(models, from_file=from_file)
            old, new = self.logs, {}
            for model in models:
                if model.logging is None:
                    continue
                kept = old.get(model.name)
                if kept is None or kept.config != model.logging:
                    kept = RequestLog(model.name, model.logging, tags=self._tags, metrics=self._metrics)
                new[model.name] = kept
            waited_for = self._manager.configure(models)
            self.logs = new
            self._applied += 1
        for name, each in old.items():
            if new.get(name) is not each:
                # It waits for a disk; in a thread, for the next configuration must not.
                threading.Thread(target=each.close, name='close log', daemon=True).start()
        return waited_for

    async def reload(self, config: Any) -> None:
        """Applies a ModelServerConfig, and waits until its models that are new have an AVAILABLE version.

        It does not wait for new versions of models that are known. The wait ends with its caller.

        Raises:
            StatusError: as `apply` and `Manager.settled`; ABORTED where a newer configuration makes the wait pointless.
        """
        loop = asyncio.get_running_loop()
        waited_for, number = await loop.run_in_executor(self._thread, self._apply_reload, config)
        keeping = None
        if self._reloaded is not None:
            if self._keeping is not None:
                self._keeping.cancel()
            keeping = self._keeping = loop.create_task(self._keep(config, waited_for, number))
        await availability.wait_async(self._manager, waited_for)
        if keeping is not None:
            await asyncio.wait([keeping])

    def _apply_reload(self, config: Any) -> tuple[list[Model], int]:
        return self.apply(model_config.models(config), from_file=False), self._applied

    async def _keep(self, config: Any, waited_for: Sequence[Model], number: int) -> None:
        """Keeps a configuration for the next start, whether or not its caller stays; unless it does not load."""
        try:
            await availability.wait_async(self._manager, waited_for)
        except StatusError:
            return
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, config, number)

    def _write(self, config: Any, number: int) -> None:
        """What cannot be written is logged: the server has the configuration in any case."""
        if self._reloaded is None or number != self._applied:
            return
        try:
            files.replace_message(self._reloaded, config)
        except ServingError as error:
            log.problem('configuration not kept', error=error)

    def close(self) -> None:
        """Completes the request logs. Not to be called in the event loop."""
        logs, self.logs = self.logs, {}
        for each in logs.values():
            each.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
