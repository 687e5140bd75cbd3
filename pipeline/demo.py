"""Starts a server on what was pushed, and shows its answers over gRPC and over REST."""

from vaiven.errors import UserError
from vaiven.pipeline.demo_inputs import Questions
from vaiven.pipeline.progress_display import Screen
from vaiven.serving.client import Client, InvalidRequestError, Vaiven
from vaiven.serving.common.errors import ServerStartError
from vaiven.serving.server.server_process import ServerProcess

_NEXT_WORDS = 5
_WRITTEN = 200  # tokens
_TOLERANCE = 1e-6
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
    with Client(server.grpc_address) as grpc, Client(server.rest_url) as rest:
        asked = Vaiven(grpc, model), Vaiven(rest, model)
        where = f'by gRPC {grpc.address} and by REST {rest.address}'
        if questions.texts:
            screen.line(screen.bold(f'sentiment, {where}'))
            _ask_sentiment(screen, *asked, questions)
        if questions.prefixes:
            screen.line(screen.bold('next words'))
            for prefix, words in zip(
                questions.prefixes, asked[0].next_words(questions.prefixes, _NEXT_WORDS), strict=True
            ):
                screen.line(f'  {_shown(prefix)} … ' + ' | '.join(word.token for word in words))
        if questions.begins:
            screen.line(screen.bold(f'written on, {where}'))
            # One seed for all would draw the same numbers for each, and like texts would meet in one sentence.
            for seed, begin in enumerate(questions.begins, 1):
                screen.line(f'  {_written(*asked, begin, seed)}')


def _ask_sentiment(screen: Screen, grpc: Vaiven, rest: Vaiven, questions: Questions) -> None:
    answers = grpc.sentiment(questions.texts), rest.sentiment(questions.texts)
    for expected, one, other in zip(questions.expected, *answers, strict=True):
        if one.label != other.label or abs(one.probability - other.probability) > _TOLERANCE:
            raise ServedModelError(f'{one.text!r}: gRPC answers {one.probability}, REST {other.probability}')
        wrong = '' if expected in (None, one.label) else screen.red(f'  (is {expected})')
        screen.line(f'  {one.label} {one.score:6.1%} {other.score:6.1%}  {_shown(one.text)}{wrong}')


def _written(grpc: Vaiven, rest: Vaiven, begin: str, seed: int) -> str:
    try:
        one, other = (asked.generate(begin, length=_WRITTEN, seed=seed)[0] for asked in (grpc, rest))
    except InvalidRequestError as error:
        return f'{_shown(begin)} … {error}'  # as when it begins with a character that was never seen
    if one != other:
        raise ServedModelError(f'{begin!r}: gRPC writes on {one.generated!r}, REST {other.generated!r}')
    return ' '.join((one.text + one.generated).split())


def _shown(text: str) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + '…'
