"""The gRPC transport for asyncio, on one channel."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from vaiven.serving.client import grpc_flows
from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import request_error
from vaiven.serving.client.grpc_transport import channel, failed, stubs
from vaiven.serving.client.results import Target
from vaiven.serving.client.transport import Call, RequestFlows


class AsyncGrpcTransport:
    """An `AsyncTransport` over gRPC."""

    flows: RequestFlows = grpc_flows

    def __init__(self, address: str, connection: Connection) -> None:
        """Raises ServingError if a certificate cannot be read."""
        self.address = address
        self._headers = connection.headers() or None
        self._channel = channel(grpc.aio, address, connection)
        self._calls = stubs(self._channel)
        self._closed = False

    async def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        try:
            return await self._calls[call.method](
                call.request,
                timeout=timeout,
                metadata=[*(self._headers or ()), *headers] if headers else self._headers,
            )
        except grpc.RpcError as error:
            raise failed(error, self.address, timeout, target) from error
        except (ValueError, grpc.aio.UsageError) as error:  # the channel is closed
            raise request_error('CANCELLED', str(error), self.address, timeout, target) from error
        except asyncio.CancelledError:
            asking = asyncio.current_task()
            if not self._closed or asking is None or asking.cancelling():
                raise  # the caller was cancelled, not the call alone
            raise request_error('CANCELLED', 'the client is closed', self.address, timeout, target) from None

    async def close(self) -> None:
        """Closes the channel. Requests in flight end with CANCELLED."""
        self._closed = True
        await self._channel.close()
