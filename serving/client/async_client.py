"""`Client` for asyncio.

async with AsyncClient('127.0.0.1:8500') as client:
    answers = await asyncio.gather(*(client.predict('reviews', {'text': [text]}) for text in texts))
"""

import asyncio
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
from vaiven.serving.client.transport import (
    SAVED_MODEL,
    Arrays,
    AsyncTransport,
    Call,
    Classes,
    Features,
    Outputs,
    RequestFlow,
)

if TYPE_CHECKING:
    from vaiven.serving.client.tracing import Trace

T = TypeVar('T')


class AsyncClient:
    """Sends requests to one server from one event loop: `Client` with coroutines."""

    def __init__(
        self,
        address: str = '127.0.0.1:8500',
        *,
        timeout: float = 30.0,
        trace: 'Trace | None' = None,
        **connection: Any,
    ) -> None:
        """Creates a client in the running event loop. It connects with the first request.

        Args:
            address: `host:port`, `dns:///name:port` or `unix:path` of a gRPC API; `http://host:port` or
                `https://host:port` of a REST API; or `saved-model:folder` for a model in this process, which needs
                TensorFlow. If a name has several addresses, gRPC uses them in turn.
            timeout: seconds that one call may take, retries included. Each method accepts another value.
            trace: called around each request, such as `tracing.OpenTelemetry()`.
            **connection: fields of `Connection`: TLS, token, metadata, attempts, message sizes, keepalive.

        Raises:
            ServingError: the address or a setting of the connection is not valid.
        """
        self.timeout = checked_timeout(timeout)
        self._transport = _transport(address, Connection(**connection))
        self._trace = trace
        self._flows = self._transport.flows
        self._signatures = Signatures()

    @property
    def address(self) -> str:
        """The address of the server, as it was given."""
        return self._transport.address

    async def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        *,
        signature: str = 'serving_default',
        version: int | None = None,
        label: str | None = None,
        outputs: Sequence[str] | None = None,
        missing_ok: bool = False,
        timeout: float | None = None,
    ) -> Arrays:
        """Runs one signature of a model.

        Args:
            model: name of the model.
            inputs: a value for each input of the signature. Arrays keep their dtypes. Plain numbers, strings and
                nested lists of them get the dtype that the signature declares; its metadata is requested once and
                cached.
            signature: name of the signature.
            version: version of the model; None for the one that `label` names, or for the newest.
            label: version label, such as 'stable'; not together with `version`.
            outputs: names of the outputs to return; None for all. Over REST, the server sends all in any case.
            missing_ok: whether the signature may lack some of `outputs`; else that is an error.
            timeout: seconds for the whole call, retries included; None for the client's default.

        Returns:
            One array for each output, by name. Strings are arrays of dtype object that hold `bytes`.

        Raises:
            RequestError: the request failed; its subclass and `code` say why.
            ServingError: an input cannot be made an array, or a number does not fit the dtype of the signature.

        Example:
            answer = await client.predict('reviews', {'text': ['a wonderful film', 'a dull film']})
            answer['label'].shape
        """
        target = target_of(model, signature, version, label)
        wanted = Outputs(tuple(outputs or ()), missing_ok)
        return await self._do(self._flows.predict(target, inputs, wanted, self._signatures), target, timeout)

    async def classify(
        self,
        model: str,
        examples: Sequence[Features],
        *,
        signature: str = 'classify',
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[Classes]:
        """Classifies examples: the `Classify` method of TensorFlow Serving.

        Args:
            model: name of the model.
            examples: one mapping for each tf.Example, from the name of a feature to a number, a string, or a flat
                list of one kind.
            signature: name of a classification signature.
            version: version of the model; None for the one that `label` names, or for the newest.
            label: version label, such as 'stable'; not together with `version`.
            timeout: seconds for the whole call, retries included; None for the client's default.

        Returns:
            For each example the pairs of class and score, in the order of the model's classes.

        Raises:
            RequestError: the request failed; its subclass and `code` say why.
            ServingError: a feature is neither a string nor a number, nor a flat list or array of one kind.

        Example:
            [[(label, score), *others]] = await client.classify('reviews', [{'text': 'a wonderful film'}])
            0 <= score <= 1
        """
        target = target_of(model, signature, version, label)
        return await self._do(self._flows.classify(target, examples), target, timeout)

    async def regress(
        self,
        model: str,
        examples: Sequence[Features],
        *,
        signature: str = 'regress',
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[float]:
        """Predicts one number for each example: the `Regress` method of TensorFlow Serving.

        Args:
            model: name of the model.
            examples: one mapping for each tf.Example, from the name of a feature to a number, a string, or a flat
                list of one kind.
            signature: name of a regression signature.
            version: version of the model; None for the one that `label` names, or for the newest.
            label: version label, such as 'stable'; not together with `version`.
            timeout: seconds for the whole call, retries included; None for the client's default.

        Returns:
            One number for each example.

        Raises:
            RequestError: the request failed; its subclass and `code` say why.
            ServingError: a feature is neither a string nor a number, nor a flat list or array of one kind.
        """
        target = target_of(model, signature, version, label)
        return await self._do(self._flows.regress(target, examples), target, timeout)

    async def multi_inference(
        self,
        model: str,
        examples: Sequence[Features],
        signatures: Mapping[str, str],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, list[Classes] | list[float]]:
        """Runs several signatures on the same examples in one request. REST does not offer it.

        Args:
            model: name of the model.
            examples: one mapping for each tf.Example, from the name of a feature to its value.
            signatures: 'classify' or 'regress' for the name of each signature.
            version: version of the model; None for the one that `label` names, or for the newest.
            label: version label, such as 'stable'; not together with `version`.
            timeout: seconds for the whole call, retries included; None for the client's default.

        Returns:
            For each signature the result of `classify` or `regress`.

        Raises:
            RequestError: the request failed; its subclass and `code` say why.
        """
        target = target_of(model, '', version, label)
        return await self._do(self._flows.multi_inference(target, examples, signatures), target, timeout)

    async def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Metadata:
        """Returns the signatures of a model.

        Args:
            model: name of the model.
            version: version of the model; None for the one that `label` names, or for the newest.
            label: version label, such as 'stable'; not together with `version`.
            timeout: seconds for the whole call, retries included; None for the client's default.

        Returns:
            The version that the request resolved to, and its signatures by name.

        Raises:
            RequestError: the request failed; its subclass and `code` say why.

        Example:
            metadata = await client.metadata('reviews')
            metadata.signatures['serving_default'].inputs['text'].dtype
        """
        target = target_of(model, '', version, label)
        return await self._do(self._flows.metadata(target), target, timeout)

    async def status(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> list[VersionStatus]:
        """Returns the state of each version of a model.

        Args:
            model: name of the model.
            version: one version; None for all that the server knows.
            timeout: seconds for the whole call, retries included; None for the client's default.

        Returns:
            The versions, newest first.

        Raises:
            RequestError: the request failed; its subclass and `code` say why.

        Example:
            await client.status('reviews')[0].state
        """
        target = target_of(model, '', version)
        return await self._do(self._flows.status(target), target, timeout)

    async def health(self, *, timeout: float | None = None) -> bool:
        """Returns whether the server is ready: every model has an AVAILABLE version.

        Args:
            timeout: seconds for the whole call, retries included; None for the client's default.

        Raises:
            RequestError: no server answered, or it does not offer a health check. The stock server offers one over
                gRPC if it was started with `--enable_grpc_healthcheck_service`, and none over REST.
        """
        return await self._do(self._flows.health(), Target(''), timeout)

    async def label_version(self, model: str, label: str, *, timeout: float | None = None) -> int | None:
        """Returns the loaded version that a label names; None if the model has no such label.

        Args:
            model: name of the model.
            label: version label, such as 'stable'.
            timeout: seconds for the whole call, retries included; None for the client's default.

        Raises:
            RequestError: the request failed; its subclass and `code` say why.
        """
        target = target_of(model, '', None, label)
        return await self._do(addresses.label_version(self._flows, target), target, timeout)

    async def reload_config(self, config: Any, *, timeout: float | None = None) -> None:
        """Replaces the whole configuration of the server. Models that it does not list are unloaded.

        Args:
            config: a `vaiven.serving.wire.messages.ModelServerConfig`.
            timeout: seconds for the whole call, retries included; None for the client's default.

        Raises:
            RequestError: the server refused the configuration and changed nothing.
        """
        await self._do(self._flows.reload(config), Target(''), timeout)

    async def wait_until_available(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> VersionStatus:
        """Waits until the server answers, knows the model, and has loaded a version of it.

        Args:
            model: name of the model.
            version: the version to wait for; None for any.
            timeout: seconds to wait; None for the client's default.

        Returns:
            The state of the version.

        Raises:
            RequestError: the version could not be loaded, or was not loaded in time.
            NotFoundError: the server did not know the model when the time was up.

        Example:
            await client.wait_until_available('reviews').state
        """
        target = target_of(model, '', version)
        seconds = self.timeout if timeout is None else timeout
        return await self._do(addresses.wait_until_available(self._flows, target, seconds), target, timeout)

    async def close(self) -> None:
        """Closes the connections. Requests in flight end with CANCELLED."""
        await self._transport.close()

    async def __aenter__(self) -> 'AsyncClient':
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: Call, target: Target, timeout: float) -> Any:
        if self._trace is None:
            return await self._transport.send(call, target, timeout)
        with self._trace(call.method, target, self.address) as headers:
            return await self._transport.send(call, target, timeout, headers)

    async def _do(self, flow: 'RequestFlow[T]', target: Target, timeout: float | None) -> 'T':
        seconds = left = self.timeout if timeout is None else checked_timeout(timeout)
        deadline = time.monotonic() + seconds
        try:
            step = next(flow)
            while True:
                if isinstance(step, tuple):
                    try:
                        answer = await self._send(step, target, left)
                    except RequestError as error:
                        step = flow.throw(error)
                    else:
                        step = flow.send(answer)
                else:
                    await asyncio.sleep(step)
                    step = flow.send(None)
                left = max(0.001, deadline - time.monotonic())
        except StopIteration as end:
            result: T = end.value
            return result


def _transport(address: str, connection: Connection) -> AsyncTransport:
    if addresses.is_rest(address) or address.startswith(SAVED_MODEL):
        from vaiven.serving.client.threaded_transport import ThreadedTransport

        return ThreadedTransport(addresses.transport(address, connection))
    addresses.check_address(address)
    from vaiven.serving.client.async_transport import AsyncGrpcTransport

    return AsyncGrpcTransport(address, connection)
