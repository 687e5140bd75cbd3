"""A server with a stable version 1 and a canary 2, gateways in front of it, and servers that tell what they got."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.serving_client.conftest import pushed  # noqa: F401 (a fixture)
from vaiven.serving.common.split import Split, write
from vaiven.serving.gateway.gateway_process import GatewayProcess
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors

MODEL = 'reviews'
PLAN = Split(MODEL, {'canary': 20, 'stable': 80}, 'reviews/2')
PREDICT = '/tensorflow.serving.PredictionService/Predict'
OPTIONS = [('grpc.enable_http_proxy', 0), ('grpc.max_receive_message_length', -1)]


def embed(texts: Sequence[str] = ('hola',), **choice: Any) -> Any:
    """A request whose answer tells the version."""
    spec = messages.ModelSpec(name=MODEL, signature_name='embed')
    if 'version' in choice:
        spec.version.value = choice['version']
    if 'label' in choice:
        spec.version_label = choice['label']
    request = messages.PredictRequest(model_spec=spec)
    request.inputs['text'].CopyFrom(tensors.to_proto(list(texts)))
    return request


class Asking:
    """Asks one address; with `bytes` for messages unless the name of the method is one of ours."""

    def __init__(self, address: str, credentials: Any = None) -> None:
        self.channel = (
            grpc.insecure_channel(address, OPTIONS)
            if credentials is None
            else grpc.secure_channel(address, credentials, OPTIONS)
        )

    def __enter__(self) -> 'Asking':
        return self

    def __exit__(self, *error: object) -> None:
        self.channel.close()

    def raw(self, request: bytes, method: str = PREDICT, **options: Any) -> tuple[bytes, Any]:
        """The bytes of the answer, and the call."""
        return self.channel.unary_unary(method).with_call(request, **{'timeout': 30, **options})

    def version(self, key: str | None = None, **choice: Any) -> int:
        """The version that answered."""
        metadata = [] if key is None else [('vaiven-key', key)]
        answer, _ = self.raw(embed(**choice).SerializeToString(), metadata=metadata)
        return version_of(answer)

    def error(self, request: bytes, method: str = PREDICT, **options: Any) -> Any:
        with pytest.raises(grpc.RpcError) as caught:
            self.raw(request, method, **options)
        return caught.value


def version_of(answer: bytes) -> int:
    """What the model itself says, which is what the server says."""
    response = messages.PredictResponse.FromString(answer)
    said = {int(value) for value in tensors.to_array(response.outputs['embedding'])[:, 1]}
    assert said == {response.model_spec.version.value}
    return said.pop()


class Upstream:
    """A gRPC server that keeps what it got; `answer` makes the answer, or ends the call."""

    def __init__(self, answer: Callable[[bytes, Any], bytes] = lambda request, context: b'answer') -> None:
        self.requests: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self.left: list[float | None] = []
        self.ended = threading.Event()
        self._answer = answer
        self._server = grpc.server(ThreadPoolExecutor(8), options=OPTIONS)
        self._server.add_generic_rpc_handlers((self,))
        self.address = f'127.0.0.1:{self._server.add_insecure_port("127.0.0.1:0")}'
        self._server.start()

    def service(self, details: Any) -> Any:
        if details.method.startswith('/grpc.health'):
            return None
        return grpc.unary_unary_rpc_method_handler(self._handle)

    def _handle(self, request: bytes, context: Any) -> bytes:
        context.add_callback(self.ended.set)
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.left.append(context.time_remaining())
        return self._answer(request, context)

    def __enter__(self) -> 'Upstream':
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop(None).wait()


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'the condition did not come true'
        time.sleep(0.02)


def served(pushed: Path, folder: Path, versions: dict[str, int], **flags: object) -> ServerProcess:  # noqa: F811
    """A server, not started, of the versions that have labels."""
    base = folder / MODEL
    for version in map(str, set(versions.values())):
        if not (base / version).exists():
            shutil.copytree(pushed / version, base / version)
    labels = ' '.join(f'version_labels {{ key: "{name}" value: {n} }}' for name, n in versions.items())
    config = folder / 'models.config'
    config.write_text(
        f'model_config_list {{ config {{ name: "{MODEL}" base_path: "{base}" model_platform: "tensorflow" '
        f'model_version_policy {{ all {{}} }} {labels} }} }}'
    )
    more = {'model_config_file': config, 'allow_version_labels_for_unavailable_models': True}
    return ServerProcess(MODEL, base, flags={**more, **flags})


@pytest.fixture(scope='session')
def server(pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:  # noqa: F811
    """A server with `stable` 1 and `canary` 2."""
    with served(pushed, tmp_path_factory.mktemp('served'), {'stable': 1, 'canary': 2}) as running:
        yield running


def before(server: ServerProcess, *arguments: str, split: Path | None = None) -> GatewayProcess:
    """A gateway in front of a server."""
    rest = server.rest_url.removeprefix('http://')
    following = [] if split is None else ['--split', f'{MODEL}={split}']
    return GatewayProcess('--server', server.grpc_address, '--rest-server', rest, *following, *arguments)


@pytest.fixture(scope='session')
def split_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`PLAN` in a file; change it nowhere."""
    path = tmp_path_factory.mktemp('split') / 'split.json'
    write(path, PLAN)
    return path


@pytest.fixture(scope='session')
def gateway(server: ServerProcess, split_file: Path) -> Iterator[GatewayProcess]:
    """A gateway that follows `PLAN`, for all that only ask."""
    with before(server, split=split_file) as running:
        yield running
