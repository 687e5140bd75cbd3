"""`vaiven predict`: the sentiment of texts, from a server."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.options import server_options, version_options, where
from vaiven.serving.commands.texts import batches, field, printable, texts

if TYPE_CHECKING:
    from vaiven.serving.client import Course, Sentiment

BATCH_ROWS = 128


@click.command()
@click.argument('text', nargs=-1)
@click.option('--file', metavar='FILE', help='Take one text a line from this file.')
@server_options
@version_options
@click.option('--course', is_flag=True, help='Tell how the sentiment goes, token by token.')
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON object a text.')
def predict(
    text: tuple[str, ...],
    file: str | None,
    server: str | None,
    model: str,
    timeout: float,
    version: int | None,
    label: str | None,
    rest: bool,
    course: bool,
    as_json: bool,
) -> None:
    """Ask a server whether each TEXT speaks well or ill.

    Without TEXT, takes one text a line from standard input. A terminal gets a table; a pipe gets the label, the
    probability of positive, and the text, separated by tabs, in the order of the texts. With --course it gets a
    line for each token: the number of the text, the probability of the text up to there, and the token.

    \b
    Examples:
      vaiven predict "What a film!" "Qué pérdida de tiempo"
      vaiven predict --label stable < reviews.txt > answers.tsv
      vaiven predict --course "It begins well, but the end is awful"
    """
    place = where(server, model, timeout, version, label, rest)
    in_terminal = sys.stdout.isatty()
    with place.client() as client:
        asking = place.vaiven(client)
        numbers = itertools.count(1)
        for batch in batches(texts(text, file), BATCH_ROWS):
            answers: list[Any] = asking.course(batch) if course else asking.sentiment(batch)
            for answer, number in zip(answers, numbers, strict=False):
                if as_json:
                    click.echo(json.dumps(dataclasses.asdict(answer), ensure_ascii=False))
                elif course:
                    for line in course_lines(answer, number, in_terminal):
                        click.echo(line)
                elif in_terminal:
                    click.echo(as_row(answer))
                else:
                    click.echo(f'{answer.label}\t{answer.probability:.6f}\t{field(answer.text)}')


def as_row(answer: Sentiment) -> str:
    colour = 'green' if answer.label == 'positive' else 'red'
    width = shutil.get_terminal_size().columns - 20
    return f'{click.style(f"{answer.label:8}", fg=colour)}  {answer.probability:6.1%}  {printable(answer.text, width)}'


def course_lines(told: Course, number: int, in_terminal: bool) -> Iterator[str]:
    if in_terminal:
        yield click.style(printable(told.text, shutil.get_terminal_size().columns), bold=True)
    for token, probability in zip(told.tokens, told.probabilities, strict=True):
        if in_terminal:
            bar = click.style(
                f'{"█" * round(20 * probability):20}', fg='green' if probability > 0.5 else 'red'
            )
            yield f'  {probability:6.1%}  {bar}  {printable(token)}'
        else:
            yield f'{number}\t{probability:.6f}\t{field(token)}'
