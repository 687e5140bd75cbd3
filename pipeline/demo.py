"""The demonstration after a run: serves the pushed model and shows its predictions over gRPC and REST."""

import numpy as np
from rich.cells import cell_len

from vaiven.errors import UserError
from vaiven.label_spec import SENTIMENT
from vaiven.pipeline.demo_inputs import DemoInputs
from vaiven.pipeline.progress_display import ProgressDisplay
from vaiven.serving.client import Classification, Client, InvalidRequestError, Vaiven
from vaiven.serving.common.errors import ServerStartError
from vaiven.serving.server.server_process import ServerProcess

_NEXT_WORDS = 5
_GENERATED_TOKENS = 200
_TOLERANCE = 1e-6  # of a probability: float32 over gRPC, decimal digits over REST
_MAX_CHARACTERS = 60
_NO_LABEL = '-'


class ServedModelError(UserError):
    """The pushed model cannot be served, or its predictions over gRPC and REST differ."""

    exit_status = 1


def show_predictions(
    display: ProgressDisplay, model: str, base_path: str, inputs: DemoInputs, log_path: str
) -> None:
    """Starts a server, prints its predictions, and stops it.

    Args:
        display: where the predictions are printed.
        model: name of the model.
        base_path: folder with its versions.
        inputs: the texts.
        log_path: file for the log of the server.

    Raises:
        ServedModelError: the server does not start, or the predictions over gRPC and REST differ.
    """
    display.set_activity('starting a server with the pushed model')
    try:
        with ServerProcess(model, base_path, log_path=log_path) as server:
            _show_predictions(display, server, model, inputs)
    except ServerStartError as error:
        raise ServedModelError(f'{str(error).splitlines()[0]} See {log_path}') from error
    finally:
        display.set_activity(None)


def _show_predictions(
    display: ProgressDisplay, server: ServerProcess, model: str, inputs: DemoInputs
) -> None:
    with Client(server.grpc_address) as grpc, Client(server.rest_url) as rest:
        models = Vaiven(grpc, model), Vaiven(rest, model)
        addresses = f'over gRPC {grpc.address} and REST {rest.address}'
        if inputs.texts:
            _show_classes(display, *models, inputs, addresses)
        if inputs.prefixes:
            display.line(display.bold('next words'))
            for prefix, words in zip(
                inputs.prefixes, models[0].next_words(inputs.prefixes, _NEXT_WORDS), strict=True
            ):
                display.line(f'  {_shorten(prefix)} … ' + ' | '.join(word.token for word in words))
        if inputs.prompts:
            display.line(display.bold(f'generated text {addresses}'))
            # With the same seed, equal prompts would have the same continuation.
            for seed, prompt in enumerate(inputs.prompts, 1):
                display.line(f'  {_generate(*models, prompt, seed)}')


def _show_classes(
    display: ProgressDisplay, grpc: Vaiven, rest: Vaiven, inputs: DemoInputs, addresses: str
) -> None:
    results = grpc.classify(inputs.texts), rest.classify(inputs.texts)
    name = 'sentiment' if results[0][0].classes in ((), SENTIMENT) else 'labels'
    display.line(display.bold(f'{name} {addresses}'))
    width = max(cell_len(_label(result)) for result in results[0])
    for label, by_grpc, by_rest in zip(inputs.labels, *results, strict=True):
        difference = np.abs(np.subtract(by_grpc.probabilities, by_rest.probabilities)).max(initial=0)
        if by_grpc.label != by_rest.label or max(difference, abs(by_grpc.score - by_rest.score)) > _TOLERANCE:
            raise ServedModelError(
                f'{by_grpc.text!r}: {by_grpc.label} has the probability {by_grpc.score} over gRPC, and '
                f'{by_rest.label} has {by_rest.score} over REST'
            )
        predicted = _label(by_grpc)
        wrong = '' if label in (None, predicted) else display.red(f'  (label: {label or _NO_LABEL})')
        padding = ' ' * (width - cell_len(predicted))
        text = _shorten(by_grpc.text)
        display.line(
            f'  {predicted or _NO_LABEL}{padding} {by_grpc.score:6.1%} {by_rest.score:6.1%}  {text}{wrong}'
        )


def _label(result: Classification) -> str:
    """The label of a text; of a model with several labels a text, all of them."""
    return result.label if result.joined_labels is None else result.joined_labels


def _generate(grpc: Vaiven, rest: Vaiven, prompt: str, seed: int) -> str:
    """The prompt and its continuation in one line, or the error of the server."""
    try:
        by_grpc, by_rest = (
            model.generate(prompt, length=_GENERATED_TOKENS, seed=seed)[0] for model in (grpc, rest)
        )
    except InvalidRequestError as error:
        return f'{_shorten(prompt)} … {error}'  # for example if the prompt has an unknown character
    if by_grpc != by_rest:
        raise ServedModelError(
            f'{prompt!r}: the continuation is {by_grpc.generated!r} over gRPC and {by_rest.generated!r} over REST'
        )
    return ' '.join((by_grpc.text + by_grpc.generated).split())


def _shorten(text: str) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + '…'
