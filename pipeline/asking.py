"""Starts a server on what was pushed, and shows its answers over gRPC and over REST."""

import json
import urllib.request
from typing import Any

from vaiven.models.configuration import UserError
from vaiven.pipeline.questions import Questions
from vaiven.pipeline.screen import Screen
from vaiven.serving.client import Client
from vaiven.serving.errors import ServerStartError
from vaiven.serving.process import ServerProcess

_NEXT_WORDS = 5
_REST_SECONDS = 30
_WIDTH = 60


class ServedModelError(UserError):
    """The pushed model could not be served, or does not answer over REST as over gRPC."""

    exit_status = 1


def ask(screen: Screen, model: str, base_path: str, questions: Questions, log_path: str) -> None:
    """Asks all questions, prints the answers, and stops the server.

    Args:
        screen: where the answers appear.
        model: name of the model.
        base_path: folder with its versions.
        questions: what is asked.
        log_path: file for what the server says.

    Raises:
        ServedModelError: where the server does not start or the two answers differ.
    """
    screen.doing('starting a server on the pushed model')
    try:
        with ServerProcess(model, base_path, log_path=log_path) as server:
            _ask(screen, server, model, questions)
    except ServerStartError as error:
        raise ServedModelError(f'{str(error).splitlines()[0]} See {log_path}') from error
    finally:
        screen.doing(None)


def _ask(screen: Screen, server: ServerProcess, model: str, questions: Questions) -> None:
    url = f'{server.rest_url}/v1/models/{model}'
    screen.line(screen.bold(f'sentiment, by gRPC {server.grpc_address} and by REST {url}'))
    client = Client(server.grpc_address)
    texts = list(questions.texts)
    answers = client.predict(model, {'text': texts})
    rest = _post(f'{url}:predict', {'inputs': {'text': texts}})['outputs']
    for text, expected, probability, by_rest in zip(
        texts, questions.expected, answers['probability'], rest['probability'], strict=True
    ):
        if abs(float(probability) - by_rest) > 1e-6:
            raise ServedModelError(f'{text!r}: gRPC says {float(probability)!r} and REST says {by_rest!r}')
        label = 'positive' if probability >= 0.5 else 'negative'
        wrong = '' if expected in (None, label) else screen.red(f'  (is {expected})')
        screen.line(f'  {label} {probability:6.1%} {by_rest:6.1%}  {_shown(text)}{wrong}')
    if not questions.prefixes:
        return
    screen.line(screen.bold('next words'))
    following = client.predict(
        model, {'text': list(questions.prefixes), 'k': _NEXT_WORDS}, signature='next_word'
    )
    for prefix, tokens in zip(questions.prefixes, following['tokens'], strict=True):
        words = ', '.join(token.decode('utf-8', 'replace') for token in tokens)
        screen.line(f'  {_shown(prefix)} … {words}')


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {'Content-Type': 'application/json'}, method='POST'
    )
    # A proxy has no business between this machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_REST_SECONDS) as answer:
        return json.load(answer)


def _shown(text: str) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + '…'
