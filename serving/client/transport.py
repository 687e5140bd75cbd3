"""What a way to a server must offer. `Client` adds the defaults; a transport moves the values."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from numpy.typing import ArrayLike, NDArray

from vaiven.serving.client.results import Metadata, Target, VersionStatus
from vaiven.serving.client.signatures import Signatures

T = TypeVar('T')
Arrays = dict[str, NDArray[Any]]
Features = Mapping[str, Any]  # of one tf.Example: a number, a string, or a list of one kind
Classes = list[tuple[str, float]]


class Call(NamedTuple):
    """One request on its way: the method's name in gRPC, and what the transport sends for it."""

    method: str
    request: Any


# Yields what to send and is sent the answer, or thrown the RequestError; returns the result. A number is a pause, in
# seconds. So nothing is said of how anything travels, and the client that waits and the one of asyncio are one.
RequestFlow = Generator[Call | float, Any, T]


class RequestFlows(Protocol):
    """What can be asked, in the form of one protocol; a module. A generator raises RequestError or ServingError."""

    def predict(
        self, target: Target, inputs: Mapping[str, ArrayLike], outputs: Sequence[str], known: Signatures
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
    """One way to one server."""

    address: str

    @property
    def exchanges(self) -> RequestFlows: ...

    def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        """The answer to `call`, within `timeout` seconds; `target` is for what an error says. Raises RequestError."""

    def close(self) -> None: ...
