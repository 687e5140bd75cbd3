"""The gRPC transport, on one channel; and what it shares with the transport for asyncio."""

from collections.abc import Callable, Sequence
from typing import Any

import grpc

from vaiven.serving.client import grpc_flows
from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import RequestError, request_error
from vaiven.serving.client.results import Target
from vaiven.serving.client.transport import Call, RequestFlows


class GrpcTransport:
    """A `Transport` over gRPC."""

    flows: RequestFlows = grpc_flows

    def __init__(self, address: str, connection: Connection) -> None:
        """Raises ServingError if a certificate cannot be read."""
        self.address = address
        self._headers = connection.headers() or None
        self._channel = channel(grpc, address, connection)
        self._calls = stubs(self._channel)

    def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        try:
            return self._calls[call.method](
                call.request,
                timeout=timeout,
                metadata=[*(self._headers or ()), *headers] if headers else self._headers,
            )
        except grpc.RpcError as error:
            raise failed(error, self.address, timeout, target) from error
        except ValueError as error:  # the channel is closed
            raise request_error('CANCELLED', str(error), self.address, timeout, target) from error

    def close(self) -> None:
        self._channel.close()


def channel(kind: Any, address: str, connection: Connection) -> Any:
    """Opens a channel.

    Args:
        kind: the module `grpc` or `grpc.aio`.
        address: address of the gRPC API.
        connection: encryption, credentials and channel arguments.

    Raises:
        ServingError: a certificate cannot be read.
    """
    options = connection.grpc_options()
    if connection.encrypted:
        return kind.secure_channel(address, connection.grpc_credentials(), options)
    return kind.insecure_channel(address, options)


def stubs(channel: Any) -> dict[str, Callable[..., Any]]:
    """Returns a callable for each RPC method of a channel of either kind."""
    return {
        name: channel.unary_unary(f'{service}/{name}', request.SerializeToString, response.FromString)
        for name, (service, request, response) in grpc_flows.METHODS.items()
    }


def failed(error: grpc.RpcError, address: str, timeout: float, target: Target) -> RequestError:
    """Returns the exception for an error that gRPC raised."""
    return request_error(error.code().name, error.details() or '', address, timeout, target)
