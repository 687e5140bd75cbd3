"""`vaiven predict`: the sentiment of texts, from a server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.forms import Form
from vaiven.serving.commands.options import server_options, version_options, where
from vaiven.serving.commands.output import Output, output_options
from vaiven.serving.commands.texts import Input, batches, input_options, printable

if TYPE_CHECKING:
    from vaiven.serving.client import Course, Sentiment

BATCH_ROWS = 128


@click.command()
@click.argument('text', nargs=-1)
@input_options
@click.option('--course', is_flag=True, help='Tell how the sentiment goes, token by token.')
@output_options
@server_options
@version_options
def predict(
    text: tuple[str, ...],
    source: Input,
    course: bool,
    output: Output,
    server: str | None,
    model: str,
    timeout: float,
    version: int | None,
    label: str | None,
    rest: bool,
) -> None:
    """Ask a server whether each TEXT speaks well or ill.

    Without TEXT, takes texts from FILE or from standard input: one a line, or the field `text` of jsonl, csv (with a
    header) or tsv (without quotation), gzipped or not. Answers come in the order of the texts. A terminal gets a
    table; a pipe gets the label, the probability of positive, and the text, separated by tabs. With --course it gets
    a line for each token: the number of the text, the probability of the text up to there, and the token.

    \b
    Examples:
      vaiven predict "What a film!" "Qué pérdida de tiempo"
      vaiven predict --label stable < reviews.txt > answers.tsv
      vaiven predict --file reviews.csv --field body --out answers.jsonl --resume
      vaiven predict --course "It begins well, but the end is awful"
    """
    place = where(server, model, timeout, version, label, rest)
    with ExitStack() as stack:
        texts = source.texts(text, stack)
        writer = stack.enter_context(output.open(COURSE if course else SENTIMENT, not course, stack))
        client = stack.enter_context(place.client())
        asking = place.vaiven(client)
        ask: Callable[[list[str]], list[Any]] = asking.course if course else asking.sentiment
        from vaiven.serving.commands.answering import answers

        answered = answers(
            batches(writer.left(texts), BATCH_ROWS), lambda batch, number: ask(batch), output.patience
        )
        for batch, found in stack.enter_context(closing(answered)):
            writer.write(found, len(batch), texts.share())


def shown(answer: Sentiment, number: int) -> Iterable[str]:
    colour = 'green' if answer.label == 'positive' else 'red'
    text = printable(answer.text, shutil.get_terminal_size().columns - 20)
    return (f'{click.style(f"{answer.label:8}", fg=colour)}  {answer.probability:6.1%}  {text}',)


def course_shown(told: Course, number: int) -> Iterator[str]:
    yield click.style(printable(told.text, shutil.get_terminal_size().columns), bold=True)
    for token, probability in zip(told.tokens, told.probabilities, strict=True):
        bar = click.style(f'{"█" * round(20 * probability):20}', fg='green' if probability > 0.5 else 'red')
        yield f'  {probability:6.1%}  {bar}  {printable(token)}'


def course_rows(told: Course, number: int) -> Iterator[tuple[str, str, str]]:
    for token, probability in zip(told.tokens, told.probabilities, strict=True):
        yield str(number), f'{probability:.6f}', token


SENTIMENT: Form[Sentiment] = Form(
    ('label', 'probability', 'text'),
    lambda answer, number: ((answer.label, f'{answer.probability:.6f}', answer.text),),
    lambda answer, number: {
        'text': answer.text, 'label': answer.label, 'probability': answer.probability,
    },
    shown,
)  # fmt: skip
COURSE: Form[Course] = Form(
    ('number', 'probability', 'token'),
    course_rows,
    lambda told, number: {'text': told.text, 'tokens': told.tokens, 'probabilities': told.probabilities},
    course_shown,
)
