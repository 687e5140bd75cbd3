"""The servers behind the gateway: a default server, and the servers of single labels."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from vaiven.serving.client.connection import Connection
from vaiven.serving.common import log
from vaiven.serving.wire import messages

HEALTH = '/grpc.health.v1.Health/Check'
HEALTH_CHECK_SECONDS = 1.0
HEALTH_CHECK_TIMEOUT_SECONDS = 2.0
RECONNECT_MS = 500
# The health of a server that should not get traffic.
UNREACHABLE_CODES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True)
class Addresses:
    """`host:port` of each server by label; '' is the default server."""

    grpc: Mapping[str, str]
    rest: Mapping[str, str] = field(default_factory=dict)


class Servers:
    """gRPC channels to the servers, and their health."""

    def __init__(self, addresses: Addresses, connection: Connection) -> None:
        """Raises ServingError if a certificate cannot be read."""
        self.addresses = addresses
        options = list(
            {
                **dict(connection.grpc_options()),
                'grpc.max_receive_message_length': -1,
                'grpc.max_send_message_length': -1,
                # Reconnect to a returning server at once, not after minutes.
                'grpc.initial_reconnect_backoff_ms': RECONNECT_MS,
                'grpc.max_reconnect_backoff_ms': RECONNECT_MS,
            }.items()
        )
        self._channels = {
            label: grpc.secure_channel(address, connection.grpc_credentials(), options)
            if connection.encrypted
            else grpc.insecure_channel(address, options)
            for label, address in addresses.grpc.items()
        }
        self.ready = dict.fromkeys(addresses.grpc, False)
        self.draining = False

    def calls(self, method: str) -> dict[str, Callable[..., Any]]:
        """Returns, by label, the function that sends request bytes to the method. Its result is a future."""
        return {label: channel.unary_unary(method).future for label, channel in self._channels.items()}

    @property
    def takes_traffic(self) -> bool:
        """Whether the gateway accepts traffic: decided by the default server, not by the servers of labels."""
        return self.ready[''] and not self.draining

    async def check_health(self) -> None:
        """Requests the health of all servers once."""
        await asyncio.gather(*map(self._check_health, self._channels))

    async def watch(self) -> None:
        """Requests the health repeatedly, until cancelled."""
        while True:
            await asyncio.sleep(HEALTH_CHECK_SECONDS)
            await self.check_health()

    async def _check_health(self, label: str) -> None:
        state = await asyncio.to_thread(_health, self._channels[label])
        if state != self.ready[label]:
            self.ready[label] = state
            address = self.addresses.grpc[label]
            log.event('server', label=label or 'all others', address=address, ready=str(state).lower())

    def close(self) -> None:
        """Cancels what is under way."""
        for channel in self._channels.values():
            channel.close()


def _health(channel: grpc.Channel) -> bool:
    try:
        answer = channel.unary_unary(HEALTH)(b'', timeout=HEALTH_CHECK_TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        # The stock server has no health service without a flag; this response still shows that it runs.
        return error.code() not in UNREACHABLE_CODES
    response = messages.HealthCheckResponse
    try:
        return bool(response.FromString(answer).status == response.SERVING)
    except DecodeError:
        return False
