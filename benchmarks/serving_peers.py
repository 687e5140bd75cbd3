"""The peers of the server, each in its own process that ends with its standard input.

    python -m benchmarks.serving_peers threads       # gRPC with threads: returns the request
    python -m benchmarks.serving_peers echo          # the same in asyncio
    python -m benchmarks.serving_peers fastapi DIR   # FastAPI and uvicorn around the SavedModel in DIR
    python -m benchmarks.serving_peers onnx DIR      # the same around its network in ONNX Runtime
    python -m benchmarks.serving_peers minilm DIR    # the same around MiniLM-L6 in TensorFlow, with an untrained head

The first line of output is a JSON object with the address or the missing package.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from vaiven.errors import UserError

ECHO_METHOD = '/benchmarks.Echo/Echo'

Probabilities = Callable[[list[str]], list[float]]


def say(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


async def threads() -> None:
    import grpc

    service, method = ECHO_METHOD.strip('/').split('/')
    handlers = {method: grpc.unary_unary_rpc_method_handler(lambda request, context: request)}
    # As many threads as Python's executor has by default, which is also what gRPC's examples take.
    server = grpc.server(ThreadPoolExecutor(), options=[('grpc.so_reuseport', 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port('127.0.0.1:0')
    server.start()
    say({'address': f'127.0.0.1:{port}'})
    await asyncio.to_thread(sys.stdin.read)
    server.stop(None).wait()


async def echo() -> None:
    import grpc
    import grpc.aio

    async def answer(request: bytes, context: Any) -> bytes:
        return request

    service, method = ECHO_METHOD.strip('/').split('/')
    handlers = {method: grpc.unary_unary_rpc_method_handler(answer)}
    server = grpc.aio.server(options=[('grpc.so_reuseport', 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port('127.0.0.1:0')
    await server.start()
    say({'address': f'127.0.0.1:{port}'})
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


def tensorflow_model(folder: str) -> Probabilities:
    """The usual alternative: loads the model once, and runs its signature."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    model = tf.saved_model.load(folder)

    def probabilities(texts: list[str]) -> list[float]:
        answer = model.signatures['serving_default'](text=tf.constant(texts))
        found: list[float] = answer['probability'].numpy().tolist()
        return found

    return probabilities


def onnx_model(folder: str) -> Probabilities:
    """The same network in ONNX Runtime."""
    from benchmarks.corpora import reviews
    from benchmarks.serving_onnx import OnnxClassifier
    from benchmarks.serving_setup import MAX_SENTENCES

    return OnnxClassifier(Path(folder), [row.text for row in reviews('vader')[:MAX_SENTENCES]]).probabilities


def minilm_model(folder: str) -> Probabilities:
    """A small encoder, as it would be fine-tuned: only its time is measured, so its head is as it was drawn."""
    from vaiven.components.teacher.checkpoints import find_checkpoint
    from vaiven.label_spec import SENTIMENT_LABELS
    from vaiven.models.teacher.checkpoint import read_encoder
    from vaiven.models.teacher.network import TeacherNetwork
    from vaiven.models.teacher.scoring import network_scorer
    from vaiven.models.teacher.wordpiece import WordPiece

    checkpoint = find_checkpoint('minilm')
    encoder = read_encoder(checkpoint)
    score = network_scorer(TeacherNetwork(encoder, SENTIMENT_LABELS), WordPiece(checkpoint, 128))

    def probabilities(texts: list[str]) -> list[float]:
        found: list[float] = score(texts)[:, 1].tolist()
        return found

    return probabilities


def application(probabilities: Probabilities) -> Any:
    """A plain endpoint, which runs a model in a thread pool."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Texts(BaseModel):
        instances: list[str]

    app = FastAPI()

    @app.post('/predict')
    def predict(texts: Texts) -> dict[str, Any]:
        values = probabilities(texts.instances)
        labels = ['positive' if value > 0.5 else 'negative' for value in values]
        pairs = zip(labels, values, strict=True)
        return {'predictions': [{'label': label, 'probability': value} for label, value in pairs]}

    return app


async def fastapi(load: Callable[[str], Probabilities], folder: str) -> None:
    try:
        import fastapi
        import uvicorn

        probabilities = load(folder)
    except ImportError as error:
        packages = 'fastapi uvicorn onnx onnxruntime'
        say({'missing': f'no {error.name}: pip install --target DIR {packages}, then --peer-path DIR'})
        return
    except UserError as error:
        say({'missing': str(error)})
        return
    # uvicorn opens its port itself: asyncio leaves Nagle's algorithm on, which costs 40 ms an answer, for sockets
    # that were made elsewhere without naming TCP.
    config = uvicorn.Config(
        application(probabilities), host='127.0.0.1', port=0, log_level='error', access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.05)
    if serving.done():
        await serving
        raise SystemExit('uvicorn ended before it served')
    port = server.servers[0].sockets[0].getsockname()[1]
    say(
        {
            'address': f'http://127.0.0.1:{port}/predict',
            'fastapi': fastapi.__version__,
            'uvicorn': uvicorn.__version__,
            'http': config.http_protocol_class.__module__,
        }
    )
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == '__main__':
    peers: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
        'threads': threads,
        'echo': echo,
        'fastapi': partial(fastapi, tensorflow_model),
        'onnx': partial(fastapi, onnx_model),
        'minilm': partial(fastapi, minilm_model),
    }
    asyncio.run(peers[sys.argv[1]](*sys.argv[2:]))
