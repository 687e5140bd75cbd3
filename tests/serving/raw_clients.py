"""Helpers that call a server without the project's client."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from vaiven.serving.wire import messages, tensors


class Rest:
    """Sends a REST request; returns the status, and the parsed JSON or text."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(
        self, path: str, body: object = None, method: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode('utf-8', 'replace')


class Grpc:
    """Calls gRPC methods by name, with messages of `vaiven.serving.wire`."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        """Over TLS with `credentials`."""
        if credentials is None:
            self.channel = grpc.insecure_channel(address)
        else:
            self.channel = grpc.secure_channel(address, credentials)

    def __call__(self, method: str, request: Any, timeout: float = 30) -> Any:
        for name in (
            'tensorflow.serving.PredictionService',
            'tensorflow.serving.ModelService',
            'grpc.health.v1.Health',
        ):
            service = messages.service(name)
            if method in service.methods_by_name:
                output = messages.message_class(service.methods_by_name[method].output_type.full_name)
                path = f'/{name}/{method}'
                call = self.channel.unary_unary(
                    path, lambda message: message.SerializeToString(), output.FromString
                )
                return call(request, timeout=timeout)
        raise LookupError(method)

    def error(self, method: str, request: Any) -> tuple[str, str]:
        """Code and text of a call that must fail."""
        with pytest.raises(grpc.RpcError) as caught:
            self(method, request)
        return caught.value.code().name, caught.value.details()


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Waits until `condition` holds, and fails the test if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'the condition did not come true'
        time.sleep(0.05)


def predict(model: str, signature: str = '', **inputs: Any) -> Any:
    """A PredictRequest with arrays, or values that become arrays; Python's numbers become float32 and int32."""
    request = messages.PredictRequest(model_spec=messages.ModelSpec(name=model, signature_name=signature))
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tensors.to_proto(value))
    return request


def values(response: Any, output: str = 'y') -> Any:
    """One output of a PredictResponse as nested lists."""
    return tensors.to_array(response.outputs[output]).tolist()
