"""The general client: any model, any signature, arrays in and arrays out."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import ArrayLike

from vaiven.serving.client import addresses
from vaiven.serving.client.addresses import target_of
from vaiven.serving.client.connection import Connection, checked_timeout
from vaiven.serving.client.errors import RequestError
from vaiven.serving.client.results import Metadata, Target, VersionStatus
from vaiven.serving.client.signatures import Signatures
from vaiven.serving.client.transport import Arrays, Call, Classes, Features, RequestFlow

if TYPE_CHECKING:
    from vaiven.serving.client.tracing import Trace

T = TypeVar('T')


class Client:
    """Asks one server. Safe to share between threads; close it, or use it as a context manager."""

    def __init__(
        self,
        address: str = '127.0.0.1:8500',
        *,
        timeout: float = 30.0,
        trace: 'Trace | None' = None,
        **connection: Any,
    ) -> None:
        """Connects when the first request is made.

        Args:
            address: `host:port`, `dns:///name:port` or `unix:path` of the gRPC API; `http://host:port` or
                `https://host:port` of the REST API; or `saved-model:folder` for a model in this process, which needs
                TensorFlow. Where a name has several addresses, gRPC takes turns.
            timeout: seconds that one call may take, all attempts included; each method takes another.
            trace: called around each request, as `tracing.OpenTelemetry()`.
            **connection: see `Connection`: TLS, token, metadata, attempts, message sizes, keepalive.

        Raises:
            ServingError: the address is neither, or the settings make no sense.
        """
        self.timeout = checked_timeout(timeout)
        self._transport = addresses.transport(address, Connection(**connection))
        self._trace = trace
        self._exchanges = self._transport.exchanges
        self._known = Signatures()

    @property
    def address(self) -> str:
        return self._transport.address

    def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        *,
        signature: str = 'serving_default',
        version: int | None = None,
        label: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> Arrays:
        """Runs a signature.

        Args:
            model: name of the model.
            inputs: a value for each input: arrays, which keep their dtypes, or numbers, strings and nested lists of
                them. Plain numbers get the dtype of the signature, whose metadata is asked for once and kept.
            signature: its name.
            version: a version, or None for what `label` names, or for the newest.
            label: a label, as 'stable'.
            outputs: which outputs to send back; None for all.
            timeout: seconds; None for the client's.

        Returns:
            arrays by output name; strings are arrays of dtype object that hold `bytes`.

        Raises:
            RequestError: or the one of its subclasses that says why.
            ServingError: an input is no array, or a number in it does not fit the dtype of the signature.
        """
        target = target_of(model, signature, version, label)
        return self._do(
            self._exchanges.predict(target, inputs, list(outputs or ()), self._known), target, timeout
        )

    def classify(
        self,
        model: str,
        examples: Sequence[Features],
        *,
        signature: str = 'classify',
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[Classes]:
        """Classes and their scores for each example, given as a mapping of its features.

        Raises:
            RequestError: or the one of its subclasses that says why.
            ServingError: a feature is neither a string nor a number, nor a flat list or array of one kind.
        """
        target = target_of(model, signature, version, label)
        return self._do(self._exchanges.classify(target, examples), target, timeout)

    def regress(
        self,
        model: str,
        examples: Sequence[Features],
        *,
        signature: str = 'regress',
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[float]:
        """A number for each example. Takes and raises what `classify` does."""
        target = target_of(model, signature, version, label)
        return self._do(self._exchanges.regress(target, examples), target, timeout)

    def multi_inference(
        self,
        model: str,
        examples: Sequence[Features],
        signatures: Mapping[str, str],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, list[Classes] | list[float]]:
        """Several signatures on the same examples, which travel once; not over REST.

        Args:
            model: name of the model.
            examples: a mapping of its features each.
            signatures: `classify` or `regress` by the name of each signature.
            version: a version, or None for what `label` names, or for the newest.
            label: a label, as 'stable'.
            timeout: seconds; None for the client's.

        Returns:
            by signature, what `classify` or `regress` gives.

        Raises:
            RequestError: or the one of its subclasses that says why.
        """
        target = target_of(model, '', version, label)
        return self._do(self._exchanges.multi_inference(target, examples, signatures), target, timeout)

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Metadata:
        """The signatures of a model, and the version that was looked at. Raises RequestError."""
        target = target_of(model, '', version, label)
        return self._do(self._exchanges.metadata(target), target, timeout)

    def status(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> list[VersionStatus]:
        """The versions that the server knows, newest first. Raises RequestError."""
        target = target_of(model, '', version)
        return self._do(self._exchanges.status(target), target, timeout)

    def health(self, *, timeout: float | None = None) -> bool:
        """Whether the server is ready: every model has an AVAILABLE version.

        Raises:
            RequestError: no answer; or a stock server, which tells it over gRPC if started so, and not over REST.
        """
        return self._do(self._exchanges.health(), Target(''), timeout)

    def label_version(self, model: str, label: str, *, timeout: float | None = None) -> int | None:
        """The loaded version that a label names; None where there is no such label. Raises RequestError."""
        target = target_of(model, '', None, label)
        return self._do(addresses.label_version(self._exchanges, target), target, timeout)

    def reload_config(self, config: Any, *, timeout: float | None = None) -> None:
        """Replaces the server's whole configuration: models that are not in it are unloaded.

        Args:
            config: a `wire.messages.ModelServerConfig`.
            timeout: seconds; None for the client's.

        Raises:
            RequestError: it was refused, and nothing was changed.
        """
        self._do(self._exchanges.reload(config), Target(''), timeout)

    def wait_until_available(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> VersionStatus:
        """Waits for a version (or any) to be AVAILABLE, for the model to be known, and for the server itself.

        Raises:
            RequestError: the version could not be loaded, or was not ready in time; NotFoundError where the server
                did not know the model in the end.
        """
        target = target_of(model, '', version)
        seconds = self.timeout if timeout is None else timeout
        return self._do(addresses.wait_until_available(self._exchanges, target, seconds), target, timeout)

    def close(self) -> None:
        """Ends the requests that are under way, too, with CANCELLED."""
        self._transport.close()

    def __enter__(self) -> 'Client':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call, target: Target, timeout: float) -> Any:
        if self._trace is None:
            return self._transport.send(call, target, timeout)
        with self._trace(call.method, target, self.address) as headers:
            return self._transport.send(call, target, timeout, headers)

    def _do(self, exchange: 'RequestFlow[T]', target: Target, timeout: float | None) -> 'T':
        seconds = left = self.timeout if timeout is None else checked_timeout(timeout)
        ends = time.monotonic() + seconds
        try:
            step = next(exchange)
            while True:
                if isinstance(step, tuple):
                    try:
                        answer = self._send(step, target, left)
                    except RequestError as error:
                        step = exchange.throw(error)
                    else:
                        step = exchange.send(answer)
                else:
                    time.sleep(step)
                    step = exchange.send(None)
                left = max(0.001, ends - time.monotonic())
        except StopIteration as end:
            result: T = end.value
            return result
