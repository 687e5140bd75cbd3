"""Waiting for models to become available: without a lock, and no longer than somebody wants to know."""

import asyncio
import threading
from collections.abc import Iterable

from vaiven.serving.server.manager import Manager
from vaiven.serving.server.model_config import Model

# A change is reported at once; only `stop` is looked at so often.
CHECK_SECONDS = 0.2


def wait(manager: Manager, models: Iterable[Model], stop: threading.Event | None = None) -> None:
    """Waits in this thread until all of `models` have settled, or `stop` is set.

    Raises:
        StatusError: as `Manager.settled`.
    """
    changed = threading.Event()
    waiting = list(models)
    with manager.listening(changed.set):
        while waiting := [model for model in waiting if not manager.settled(model)]:
            if stop is not None and stop.is_set():
                return
            changed.wait(CHECK_SECONDS)
            changed.clear()


async def wait_async(manager: Manager, models: Iterable[Model]) -> None:
    """The same in an event loop; it ends when its task is cancelled. Raises StatusError as `Manager.settled`."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    waiting = list(models)

    def tell() -> None:
        loop.call_soon_threadsafe(changed.set)

    with manager.listening(tell):
        while waiting := [model for model in waiting if not manager.settled(model)]:
            await changed.wait()
            changed.clear()
