"""The configuration in force: applies changes in the order of their arrival, and waits for models without a lock."""

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
from vaiven.serving.server.model_config import ModelConfig
from vaiven.serving.server.request_log import RequestLog


class Configuration:
    """Applies configurations to a manager, and owns the request logs that they turn on.

    Attributes:
        logs: request logs by model name, replaced whole.
    """

    def __init__(
        self,
        manager: Manager,
        *,
        metrics: Metrics | None = None,
        tags: Sequence[str] = ('serve',),
        log_folders: LogFolders | None = None,
        reload_file: Path | None = None,
    ) -> None:
        """
        Args:
            manager: serves the models.
            metrics: counts logged requests.
            tags: of the meta graph, for the request logs.
            log_folders: where request logs may be written; None for the rule without roots.
            reload_file: receives each configuration of `reload` once its models are available; None for none.
        """
        self.logs: dict[str, RequestLog] = {}
        self._manager = manager
        self._metrics = metrics
        self._tags = tuple(tags)
        self._folders = log_folders or LogFolders()
        self._reload_file = reload_file
        self._applied = 0  # configurations so far
        self._save_task: asyncio.Task[None] | None = None
        # Never held during a wait for models: a reload with a missing base path would block all later ones.
        self._lock = threading.Lock()
        # One thread, so that the last configuration to arrive is the last one applied.
        self._thread = ThreadPoolExecutor(1, 'configure')

    def apply(self, models: Sequence[ModelConfig], *, from_file: bool) -> list[ModelConfig]:
        """Serves exactly `models`, and logs their requests as their `logging_config` says.

        Args:
            models: all models to serve.
            from_file: whether the operator configured them, and not a caller of ModelService.

        Returns:
            Those that have never been AVAILABLE, to wait for.

        Raises:
            StatusError: a label or a log folder is not allowed; nothing changes then.
        """
        with self._lock:
            self._folders.check(models, from_file=from_file)
            old_logs, new_logs = self.logs, {}
            for model in models:
                if model.logging is None:
                    continue
                request_log = old_logs.get(model.name)
                if request_log is None or request_log.config != model.logging:
                    request_log = RequestLog(
                        model.name, model.logging, tags=self._tags, metrics=self._metrics
                    )
                new_logs[model.name] = request_log
            pending = self._manager.configure(models)
            self.logs = new_logs
            self._applied += 1
        for name, request_log in old_logs.items():
            if new_logs.get(name) is not request_log:
                # In a thread: it waits for a disk, which must not delay the next configuration.
                threading.Thread(target=request_log.close, name='close log', daemon=True).start()
        return pending

    async def reload(self, config: Any) -> None:
        """Applies a ModelServerConfig, and waits until its new models have an AVAILABLE version.

        As upstream, it does not wait for new versions of known models. The wait ends when its caller is cancelled.

        Args:
            config: a ModelServerConfig.

        Raises:
            StatusError: as `apply` and `Manager.settled`; ABORTED where a newer configuration makes the wait pointless.
        """
        loop = asyncio.get_running_loop()
        pending, number = await loop.run_in_executor(self._thread, self._apply_reload, config)
        save_task = None
        if self._reload_file is not None:
            if self._save_task is not None:
                self._save_task.cancel()
            # A task of its own: the configuration is in force, and is saved, even if the caller hangs up now.
            save_task = self._save_task = loop.create_task(self._save_when_available(config, pending, number))
        await availability.wait_async(self._manager, pending)
        if save_task is not None:
            await asyncio.wait([save_task])

    def _apply_reload(self, config: Any) -> tuple[list[ModelConfig], int]:
        return self.apply(model_config.models(config), from_file=False), self._applied

    async def _save_when_available(self, config: Any, pending: Sequence[ModelConfig], number: int) -> None:
        """Saves a configuration for the next start, once its models are available."""
        try:
            await availability.wait_async(self._manager, pending)
        except StatusError:
            return  # the next start would fail with it
        await asyncio.get_running_loop().run_in_executor(self._thread, self._save, config, number)

    def _save(self, config: Any, number: int) -> None:
        """Writes the file. A failure is only logged: the configuration is in force in any case."""
        if self._reload_file is None or number != self._applied:
            return
        try:
            files.replace_message(self._reload_file, config)
        except ServingError as error:
            log.problem('configuration not kept', error=error)

    def close(self) -> None:
        """Completes the request logs. It waits for the disk, so it must not be called in the event loop."""
        logs, self.logs = self.logs, {}
        for request_log in logs.values():
            request_log.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
