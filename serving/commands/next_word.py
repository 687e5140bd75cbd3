"""`vaiven next`: the next word of a text, from a server or from a pushed model in this process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING

import click

from vaiven.serving.commands.connecting import reachable
from vaiven.serving.commands.options import server_options, version_options, where
from vaiven.serving.commands.output import Output, output_options
from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.text_inputs import Input, batches, input_options, printable
from vaiven.serving.common import terminal

if TYPE_CHECKING:
    from vaiven.serving.client import NextWord

    Words = tuple[str, list[NextWord]]

BATCH_ROWS = 64


@click.command()
@click.argument('prefix', nargs=-1)
@click.option('--k', default=5, show_default=True, type=click.IntRange(min=1), help='How many words to show.')
@input_options
@output_options
@partial(server_options, model='')
@version_options
def next_word(
    prefix: tuple[str, ...],
    k: int,
    source: Input,
    output: Output,
    server: str | None,
    model: str | None,
    timeout: float,
    version: int | None,
    label: str | None,
    rest: bool,
) -> None:
    """Predict the K words that most likely follow each PREFIX.

    Without PREFIX, takes them from FILE or from standard input: one a line, or the field `text` of a table
    (.csv, .tsv, .jsonl, .json, .parquet, .ft), packed (.gz, .bz2, .zst, .zip) or not.
    A pipe gets the prefix, a word and its probability, separated
    by tabs, a line for each word.

    A server is asked. Where none runs and none was named, the newest model below vaiven-runs is used in this process.

    \b
    Examples:
      vaiven next "the film is"
      vaiven next --k 3 --to jsonl "la película es"
    """
    place = where(server, model, timeout, version, label, rest)
    with ExitStack() as stack:
        texts = source.texts(prefix, stack)
        writer = stack.enter_context(output.open(WORDS, False, stack))
        place = reachable(place, 'next_word', 'tokens')
        asking = place.vaiven(stack.enter_context(place.client()))
        from vaiven.serving.commands.batch_requests import answers

        answered = answers(
            batches(writer.left(texts), BATCH_ROWS),
            lambda batch, number: list(zip(batch, asking.next_words(batch, k), strict=True)),
            output.patience,
        )
        for batch, found in stack.enter_context(closing(answered)):
            writer.write(found, batch, texts.share())


def rows(found: Words, number: int) -> Iterator[tuple[str, str, str]]:
    text, words = found
    for word in words:
        yield text, word.token, f'{math.exp(word.log_probability):.6f}'


def shown(found: Words, number: int) -> Iterator[str]:
    text, words = found
    yield f'{printable(text, terminal.width() - 2)} …'
    for word in words:
        yield f'  {math.exp(word.log_probability):6.1%}  {printable(word.token, terminal.width() - 10)}'


WORDS: Form[Words] = Form(
    ('text', 'token', 'probability'),
    rows,
    lambda found, number: {
        'text': found[0],
        'next': [{'token': word.token, 'probability': math.exp(word.log_probability)} for word in found[1]],
    },
    shown,
)
