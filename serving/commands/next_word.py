"""`vaiven next`: how a text may go on, from a server."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

import click

from vaiven.serving.commands.options import server_options, version_options, where
from vaiven.serving.commands.texts import batches, field, printable, texts

if TYPE_CHECKING:
    from vaiven.serving.client import NextWord

BATCH_ROWS = 64


@click.command()
@click.argument('prefix', nargs=-1)
@click.option('--k', default=5, show_default=True, type=click.IntRange(min=1), help='How many words to show.')
@click.option('--file', metavar='FILE', help='Take one prefix a line from this file.')
@server_options
@version_options
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON object a prefix.')
def next_word(
    prefix: tuple[str, ...],
    k: int,
    file: str | None,
    server: str | None,
    model: str,
    timeout: float,
    version: int | None,
    label: str | None,
    rest: bool,
    as_json: bool,
) -> None:
    """Ask a server for the K words that most likely follow each PREFIX.

    Without PREFIX, takes one a line from standard input. A pipe gets the prefix, a word and its probability,
    separated by tabs, a line for each word.

    \b
    Examples:
      vaiven next "the film is"
      vaiven next --k 3 --json "la película es"
    """
    place = where(server, model, timeout, version, label, rest)
    in_terminal = sys.stdout.isatty()
    with place.client() as client:
        asking = place.vaiven(client)
        for batch in batches(texts(prefix, file), BATCH_ROWS):
            for text, words in zip(batch, asking.next_words(batch, k), strict=True):
                show(text, words, as_json, in_terminal)


def show(text: str, words: list[NextWord], as_json: bool, in_terminal: bool) -> None:
    probabilities = [(word.token, math.exp(word.log_probability)) for word in words]
    if as_json:
        found = [{'token': token, 'probability': value} for token, value in probabilities]
        click.echo(json.dumps({'text': text, 'next': found}, ensure_ascii=False))
        return
    if in_terminal:
        click.echo(f'{printable(text)} …')
    for token, value in probabilities:
        if in_terminal:
            click.echo(f'  {value:6.1%}  {printable(token)}')
        else:
            click.echo(f'{field(text)}\t{field(token)}\t{value:.6f}')
