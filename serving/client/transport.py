"""The interface of transports, which send requests, and of request flows, which build them."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from numpy.typing import ArrayLike, NDArray

from vaiven.serving.client.results import Metadata, Target, VersionStatus
from vaiven.serving.client.signatures import Signatures

T = TypeVar('T')
SAVED_MODEL = 'saved-model:'  # addresses of models in this process start so
Arrays = dict[str, NDArray[Any]]
Features = Mapping[str, Any]  # of one tf.Example; a value is a number, a string, or a list of one kind
Classes = list[tuple[str, float]]


class Outputs(NamedTuple):
    """The outputs of a signature to return: their names, none for all, and whether the signature may lack some."""

    names: tuple[str, ...] = ()
    missing_ok: bool = False


class Call(NamedTuple):
    """One RPC: the name of its gRPC method, and the request that the transport sends."""

    method: str
    request: Any


# Yields each RPC and is sent the response, or thrown the RequestError; returns the result. A yielded number is a pause
# in seconds. A flow does no input or output itself, so `Client` and `AsyncClient` share it.
RequestFlow = Generator[Call | float, Any, T]


class RequestFlows(Protocol):
    """The flows of one protocol, gRPC or REST; a module. Each may raise RequestError or ServingError."""

    def predict(
        self, target: Target, inputs: Mapping[str, ArrayLike], outputs: Outputs, known: Signatures
    ) -> RequestFlow[Arrays]: ...

    def classify(self, target: Target, examples: Sequence[Features]) -> RequestFlow[list[Classes]]: ...

    def regress(self, target: Target, examples: Sequence[Features]) -> RequestFlow[list[float]]: ...

    def multi_inference(
        self, target: Target, examples: Sequence[Features], signatures: Mapping[str, str]
    ) -> RequestFlow[dict[str, list[Classes] | list[float]]]: ...

    def metadata(self, target: Target) -> RequestFlow[Metadata]: ...

    def status(self, target: Target) -> RequestFlow[list[VersionStatus]]: ...

    def health(self) -> RequestFlow[bool]: ...

    def reload(self, config: Any) -> RequestFlow[None]: ...


class Transport(Protocol):
    """A connection to one server."""

    address: str

    @property
    def flows(self) -> RequestFlows: ...

    def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        """Sends one RPC and waits for its response.

        Args:
            call: the RPC.
            target: model and signature, for error messages.
            timeout: seconds.
            headers: more metadata of the request, such as trace headers.

        Raises:
            RequestError: it failed.
        """

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """A `Transport` for an event loop."""

    address: str

    @property
    def flows(self) -> RequestFlows: ...

    async def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any: ...

    async def close(self) -> None: ...
