"""`vaiven predict`: the sentiment of texts, from a server or from a pushed model in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.connecting import reachable
from vaiven.serving.commands.keep_columns import keep_option
from vaiven.serving.commands.options import server_options, version_options, where
from vaiven.serving.commands.output import Output, output_options
from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.text_inputs import Input, batches, input_options, printable
from vaiven.serving.common import terminal

if TYPE_CHECKING:
    from vaiven.serving.client import Course, Sentiment

BATCH_ROWS = 128


@click.command()
@click.argument('text', nargs=-1)
@input_options
@keep_option
@click.option('--course', is_flag=True, help='Tell how the sentiment goes, token by token.')
@output_options
@partial(server_options, model='')
@version_options
def predict(
    text: tuple[str, ...],
    source: Input,
    keep: tuple[str, ...],
    course: bool,
    output: Output,
    server: str | None,
    model: str | None,
    timeout: float,
    version: int | None,
    label: str | None,
    rest: bool,
) -> None:
    """Tell the sentiment of each TEXT.

    Without TEXT, takes texts from FILE or from standard input: one a line, or the field `text` of a table
    (.csv, .tsv, .jsonl, .json, .parquet, .ft), packed (.gz, .bz2, .zst, .zip) or not.
    Answers come in the order of the texts. A terminal gets a
    table; a pipe gets the label, the probability of that label, and the text, separated by tabs. In csv and jsonl
    `probability` is that of positive. With --course a pipe gets a line for each token: the number of the text, the
    probability of positive for the text up to there, and the token. Columns of a table that --keep-columns names follow
    the answers, in text, csv and jsonl.

    A server is asked. Where none runs and none was named, the newest model below vaiven-runs is used in this process.

    \b
    Examples:
      vaiven predict "A moving story" "Tedious and far too long"
      vaiven predict --label stable < reviews.txt > answers.tsv
      vaiven predict --file reviews.csv --field body --out answers.jsonl --resume
      vaiven predict --file reviews.csv --keep-columns id,date --out answers.csv
      vaiven predict --course "It begins well, but the end is awful"
    """
    place = where(server, model, timeout, version, label, rest)
    with ExitStack() as stack:
        texts = replace(source, keep=keep).texts(text, stack)
        writer = stack.enter_context(output.open(COURSE if course else SENTIMENT, not course, stack, keep))
        place = reachable(
            place, *('sentiment_course', 'probabilities') if course else ('serving_default', 'label')
        )
        asking = place.vaiven(stack.enter_context(place.client()))
        ask: Callable[[list[str]], list[Any]] = asking.course if course else asking.sentiment
        from vaiven.serving.commands.batch_requests import answers

        answered = answers(
            batches(writer.left(texts), BATCH_ROWS),
            lambda batch, number: ask([str(text) for text in batch]),
            output.patience,
        )
        for batch, found in stack.enter_context(closing(answered)):
            writer.write(found, batch, texts.share())


def shown(answer: Sentiment, number: int) -> Iterable[str]:
    colour = 'green' if answer.label == 'positive' else 'red'
    text = printable(answer.text, terminal.width() - 18)
    return (f'{click.style(f"{answer.label:8}", fg=colour)}  {answer.score:6.1%}  {text}',)


def course_shown(told: Course, number: int) -> Iterator[str]:
    yield click.style(printable(told.text, terminal.width()), bold=True)
    for token, probability in zip(told.tokens, told.probabilities, strict=True):
        bar = click.style(f'{"█" * round(20 * probability):20}', fg='green' if probability > 0.5 else 'red')
        yield f'  {probability:6.1%}  {bar}  {printable(token, terminal.width() - 32)}'


def course_rows(told: Course, number: int) -> Iterator[tuple[str, str, str]]:
    for token, probability in zip(told.tokens, told.probabilities, strict=True):
        yield str(number), f'{probability:.6f}', token


SENTIMENT: Form[Sentiment] = Form(
    ('label', 'probability', 'text'),
    lambda answer, number: ((answer.label, f'{answer.probability:.6f}', answer.text),),
    lambda answer, number: {
        'text': answer.text,
        'label': answer.label,
        'probability': answer.probability,
    },
    shown,
    lambda answer, number: ((answer.label, f'{answer.score:.6f}', answer.text),),
)
COURSE: Form[Course] = Form(
    ('number', 'probability', 'token'),
    course_rows,
    lambda told, number: {'text': told.text, 'tokens': told.tokens, 'probabilities': told.probabilities},
    course_shown,
    keys=('text', 'tokens', 'probabilities'),
)
