"""What a way to a server must offer. `Client` adds the defaults; a transport moves the values."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import ArrayLike, NDArray

from vaiven.serving.client.results import Metadata, Target, VersionStatus

Arrays = dict[str, NDArray[Any]]
Features = Mapping[str, Any]  # of one tf.Example: a number, a string, or a list of one kind


class Transport(Protocol):
    """All methods raise `RequestError`. `timeout` is in seconds and covers the whole call."""

    address: str

    def predict(
        self, target: Target, inputs: Mapping[str, ArrayLike], outputs: Sequence[str], timeout: float
    ) -> Arrays: ...

    def classify(
        self, target: Target, examples: Sequence[Features], timeout: float
    ) -> list[list[tuple[str, float]]]: ...

    def regress(self, target: Target, examples: Sequence[Features], timeout: float) -> list[float]: ...

    def metadata(self, target: Target, timeout: float) -> Metadata: ...

    def status(self, target: Target, timeout: float) -> list[VersionStatus]: ...

    def reload(self, config: Any, timeout: float) -> None: ...

    def close(self) -> None: ...
