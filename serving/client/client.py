"""The general client: any model, any signature, arrays in and arrays out."""

import re
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from numpy.typing import ArrayLike

from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import InvalidRequestError, RequestError, UnavailableError
from vaiven.serving.client.results import Metadata, Target, VersionStatus
from vaiven.serving.client.transport import Arrays, Features, Transport
from vaiven.serving.errors import ServingError

POLL_SECONDS = 0.1


class Client:
    """Asks one server. Safe to share between threads; close it, or use it as a context manager."""

    def __init__(
        self,
        address: str = '127.0.0.1:8500',
        *,
        timeout: float = 30.0,
        **connection: Any,
    ) -> None:
        """Connects when the first request is made.

        Args:
            address: `host:port`, `dns:///name:port` or `unix:path` of the gRPC API, or `http://host:port` or
                `https://host:port` of the REST API. Where a name has several addresses, gRPC takes turns.
            timeout: seconds that one call may take, all attempts included; each method takes another.
            **connection: see `Connection`: TLS, token, metadata, attempts, message sizes, keepalive.

        Raises:
            ServingError: the address is neither, or the settings make no sense.
        """
        self.timeout = timeout
        self._transport = _transport(address, Connection(**connection))

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
            inputs: a value for each input: arrays, numbers, strings, nested lists (floats become float32,
                integers int32 where they fit).
            signature: its name.
            version: a version, or None for what `label` names, or for the newest.
            label: a label, as 'stable'.
            outputs: which outputs to send back; None for all.
            timeout: seconds; None for the client's.

        Returns:
            arrays by output name; strings are arrays of dtype object that hold `bytes`.

        Raises:
            RequestError: or the one of its subclasses that says why.
        """
        target = target_of(model, signature, version, label)
        return self._transport.predict(target, inputs, list(outputs or ()), self._seconds(timeout))

    def classify(
        self,
        model: str,
        examples: Sequence[Features],
        *,
        signature: str = 'classify',
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[list[tuple[str, float]]]:
        """Classes and their scores for each example, given as a mapping of its features. Raises RequestError."""
        target = target_of(model, signature, version, label)
        return self._transport.classify(target, examples, self._seconds(timeout))

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
        """A number for each example, given as a mapping of its features. Raises RequestError."""
        target = target_of(model, signature, version, label)
        return self._transport.regress(target, examples, self._seconds(timeout))

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Metadata:
        """The signatures of a model, and the version that was looked at. Raises RequestError."""
        return self._transport.metadata(target_of(model, '', version, label), self._seconds(timeout))

    def status(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> list[VersionStatus]:
        """The versions that the server knows, newest first. Raises RequestError."""
        return self._transport.status(target_of(model, '', version, None), self._seconds(timeout))

    def label_version(self, model: str, label: str, *, timeout: float | None = None) -> int | None:
        """The loaded version that a label names; None where there is no such label. Raises RequestError."""
        try:
            return self.metadata(model, label=label, timeout=timeout).version
        except InvalidRequestError:
            return None

    def reload(self, config: Any, *, timeout: float | None = None) -> None:
        """Replaces the server's whole configuration: models that are not in it are unloaded.

        Args:
            config: a `wire.messages.ModelServerConfig`.
            timeout: seconds; None for the client's.

        Raises:
            RequestError: it was refused, and nothing was changed.
        """
        self._transport.reload(config, self._seconds(timeout))

    def wait_until_available(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> VersionStatus:
        """Waits for a version (or any) to be AVAILABLE, and for the server itself.

        Raises:
            RequestError: the version could not be loaded, or was not ready in time.
        """
        seconds = self._seconds(timeout)
        deadline = time.monotonic() + seconds
        last: Exception | None = None
        while (left := deadline - time.monotonic()) > 0:
            try:
                if found := found_version(self.status(model, timeout=min(left, 5.0)), model, version):
                    return found
            except UnavailableError as error:
                last = error
            time.sleep(min(POLL_SECONDS, max(0.0, left)))
        raise last or too_late(model, version, seconds)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> 'Client':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _seconds(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else timeout


def target_of(model: str, signature: str, version: int | None, label: str | None) -> Target:
    if version is not None and label is not None:
        raise ServingError(f'give a version or a label, not both. Received: {version} and {label!r}')
    return Target(model, signature, version, label)


def found_version(versions: Sequence[VersionStatus], model: str, version: int | None) -> VersionStatus | None:
    """The AVAILABLE one that is waited for, if it is there. Raises InvalidRequestError where it will never be."""
    for each in versions:
        if version is not None and each.version != version:
            continue
        if each.available:
            return each
        if each.state == 'END' and each.error and version is not None:
            raise InvalidRequestError(
                f'version {version} of model {model!r} cannot be loaded: {each.error}',
                'FAILED_PRECONDITION',
                each.error,
            )
    return None


def too_late(model: str, version: int | None, seconds: float) -> RequestError:
    """What waiting in vain ends with."""
    what = 'no version' if version is None else f'version {version}'
    verb = 'was' if version is None else 'was not'
    return RequestError(
        f'{what} of model {model!r} {verb} loaded within {seconds:g} s: see the log of the server',
        'DEADLINE_EXCEEDED',
        '',
    )


def check_address(address: str) -> None:
    """Raises ServingError where `address` is none of a gRPC API."""
    if not re.fullmatch(r'(unix:|dns:///)?\S+', address) or not (
        re.search(r':[0-9]{1,5}$', address) or address.startswith('unix:')
    ):
        raise ServingError(f'an address is host:port or http://host:port. Received: {address!r}')


def _transport(address: str, connection: Connection) -> Transport:
    """Each transport is imported when it is used: gRPC alone takes longer to import than all the rest."""
    if re.match(r'https?://[^/\s]+', address):
        from vaiven.serving.client.rest_transport import RestTransport

        return RestTransport(address, connection)
    check_address(address)
    from vaiven.serving.client.grpc_transport import GrpcTransport

    return GrpcTransport(address, connection)
