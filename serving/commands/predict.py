"""`vaiven predict`: the sentiment of texts, from a server."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import click

from vaiven.serving.commands.options import server_options, version_options, where
from vaiven.serving.commands.texts import batches, field, printable, texts

if TYPE_CHECKING:
    from vaiven.serving.client import Sentiment

BATCH_ROWS = 128


@click.command()
@click.argument('text', nargs=-1)
@click.option('--file', metavar='FILE', help='Take one text a line from this file.')
@server_options
@version_options
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
    as_json: bool,
) -> None:
    """Ask a server whether each TEXT speaks well or ill.

    Without TEXT, takes one text a line from standard input. A terminal gets a table; a pipe gets the label, the
    probability of positive, and the text, separated by tabs, in the order of the texts.

    \b
    Examples:
      vaiven predict "What a film!" "Qué pérdida de tiempo"
      vaiven predict --label stable < reviews.txt > answers.tsv
    """
    place = where(server, model, timeout, version, label, rest)
    in_terminal = sys.stdout.isatty()
    with place.client() as client:
        asking = place.vaiven(client)
        for batch in batches(texts(text, file), BATCH_ROWS):
            for answer in asking.sentiment(batch):
                if as_json:
                    click.echo(as_object(answer))
                elif in_terminal:
                    click.echo(as_row(answer))
                else:
                    click.echo(f'{answer.label}\t{answer.probability:.6f}\t{field(answer.text)}')


def as_object(answer: Sentiment) -> str:
    values = {'text': answer.text, 'label': answer.label, 'probability': answer.probability}
    return json.dumps(values, ensure_ascii=False)


def as_row(answer: Sentiment) -> str:
    colour = 'green' if answer.label == 'positive' else 'red'
    width = shutil.get_terminal_size().columns - 20
    return f'{click.style(f"{answer.label:8}", fg=colour)}  {answer.probability:6.1%}  {printable(answer.text, width)}'
