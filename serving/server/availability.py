"""Waiting for models to become available, without a lock, and only as long as the caller waits."""

import asyncio
import threading
from collections.abc import Iterable

from vaiven.serving.server.manager import Manager
from vaiven.serving.server.model_config import ModelConfig

# How soon `stop` is noticed. Changes of the models wake the wait at once.
CHECK_SECONDS = 0.2


def wait(manager: Manager, models: Iterable[ModelConfig], stop: threading.Event | None = None) -> None:
    """Blocks this thread until all of `models` have settled, or `stop` is set.

    Args:
        manager: serves the models.
        models: the models to wait for, as `Manager.configure` returned them.
        stop: ends the wait; None for a wait without end.

    Raises:
        StatusError: as `Manager.settled`.
    """
    changed = threading.Event()
    pending = list(models)
    with manager.listening(changed.set):
        while pending := [model for model in pending if not manager.settled(model)]:
            if stop is not None and stop.is_set():
                return
            changed.wait(CHECK_SECONDS)
            changed.clear()


async def wait_async(manager: Manager, models: Iterable[ModelConfig]) -> None:
    """Waits until all of `models` have settled; ends when its task is cancelled. Raises as `Manager.settled`."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    pending = list(models)

    def notify() -> None:
        # The manager calls from its own threads.
        loop.call_soon_threadsafe(changed.set)

    with manager.listening(notify):
        while pending := [model for model in pending if not manager.settled(model)]:
            await changed.wait()
            changed.clear()
