"""Blocking transports for asyncio: each call runs in a thread."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vaiven.serving.client.errors import DeadlineError, request_error
from vaiven.serving.client.results import Target
from vaiven.serving.client.transport import Call, Transport

THREADS = 32


class ThreadedTransport:
    """Runs a blocking transport in threads: REST, and a model in this process."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._threads = ThreadPoolExecutor(THREADS, 'request')
        self.address = transport.address
        self.flows = transport.flows

    async def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        """Sends `call`; waiting for a thread counts towards `timeout`."""
        deadline = time.monotonic() + timeout

        def send_in_time() -> Any:
            details = 'no thread was free'
            if (left := deadline - time.monotonic()) > 0:
                try:
                    return self._transport.send(call, target, left, headers)
                except DeadlineError as error:
                    details = error.details
            raise request_error('DEADLINE_EXCEEDED', details, self.address, timeout, target)

        return await asyncio.get_running_loop().run_in_executor(self._threads, send_in_time)

    async def close(self) -> None:
        await asyncio.to_thread(self._transport.close)
