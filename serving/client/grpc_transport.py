"""gRPC: one channel, reused."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
from numpy.typing import ArrayLike

from vaiven.serving.client import exchanges
from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import RequestError, request_error
from vaiven.serving.client.exchanges import Exchange
from vaiven.serving.client.results import Metadata, Target, VersionStatus
from vaiven.serving.client.transport import Arrays, Features

T = TypeVar('T')
_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class GrpcTransport:
    """A `Transport` over gRPC."""

    def __init__(self, address: str, connection: Connection) -> None:
        """Raises ServingError where a certificate cannot be read."""
        self.address = address
        self._headers = connection.headers()
        options = connection.grpc_options()
        self._channel = (
            grpc.secure_channel(address, connection.grpc_credentials(), options)
            if connection.encrypted
            else grpc.insecure_channel(address, options)
        )
        self._calls = stubs(self._channel)

    def predict(
        self, target: Target, inputs: Mapping[str, ArrayLike], outputs: Sequence[str], timeout: float
    ) -> Arrays:
        return self._exchange(exchanges.predict(target, inputs, outputs), target, timeout)

    def classify(
        self, target: Target, examples: Sequence[Features], timeout: float
    ) -> list[list[tuple[str, float]]]:
        return self._exchange(exchanges.classify(target, examples), target, timeout)

    def regress(self, target: Target, examples: Sequence[Features], timeout: float) -> list[float]:
        return self._exchange(exchanges.regress(target, examples), target, timeout)

    def metadata(self, target: Target, timeout: float) -> Metadata:
        return self._exchange(exchanges.metadata(target), target, timeout)

    def status(self, target: Target, timeout: float) -> list[VersionStatus]:
        return self._exchange(exchanges.status(target), target, timeout)

    def reload(self, config: Any, timeout: float) -> None:
        target = reloaded(config)
        check_reload(self._exchange(exchanges.reload(config), target, timeout), self.address, timeout, target)

    def close(self) -> None:
        self._channel.close()

    def _exchange(self, exchange: 'Exchange[T]', target: Target, timeout: float) -> 'T':
        try:
            method, request = next(exchange)
            exchange.send(self._calls[method](request, timeout=timeout, metadata=self._headers))
        except StopIteration as end:
            result: T = end.value
            return result
        except grpc.RpcError as error:
            raise failed(error, self.address, timeout, target) from error
        except ValueError as error:
            raise request_error('CANCELLED', str(error), self.address, timeout, target) from error
        raise AssertionError('an exchange is one request')


def stubs(channel: Any) -> dict[str, Callable[..., Any]]:
    """A callable for each method, of a channel of either kind."""
    return {
        name: channel.unary_unary(f'{service}/{name}', request.SerializeToString, response.FromString)
        for name, (service, request, response) in exchanges.METHODS.items()
    }


def failed(error: grpc.RpcError, address: str, timeout: float, target: Target) -> RequestError:
    """The exception for what gRPC raised."""
    return request_error(error.code().name, error.details() or '', address, timeout, target)


def reloaded(config: Any) -> Target:
    return Target(', '.join(each.name for each in config.model_config_list.config))


def check_reload(status: Any, address: str, timeout: float, target: Target) -> None:
    """Raises RequestError where the StatusProto of a reload says that it failed."""
    if status.error_code:
        code = _NAMES.get(status.error_code, 'UNKNOWN')
        raise request_error(code, status.error_message, address, timeout, target)
