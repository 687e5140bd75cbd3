"""`vaiven next`: the next word of a text, from a server or from a pushed model in this process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from vaiven.serving.commands.connecting import resolve_target
from vaiven.serving.commands.options import Target, model_version_options
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
@click.option(
    '--k', default=5, show_default=True, type=click.IntRange(min=1), help='Number of words to show.'
)
@input_options
@output_options
@model_version_options
def next_word(prefix: tuple[str, ...], k: int, source: Input, output: Output, target: Target) -> None:
    """Predict the K most probable next words of each PREFIX.

    Without PREFIX, the texts are read from FILE or from standard input: one per line, or the column `text` of a table
    (.csv, .tsv, .jsonl, .json, .parquet, .ft), compressed (.gz, .bz2, .zst, .zip) or not.
    A pipe gets one line per word: the prefix, the word and its probability, separated by tabs.

    Requests go to the server. If none is running and none was named, the newest model below vaiven-runs is loaded in
    this process.

    \b
    Examples:
      vaiven next "the film is"
      vaiven next --k 3 --to jsonl "la película es"
    """
    with ExitStack() as stack:
        texts = source.texts(prefix, stack)
        writer = stack.enter_context(output.open(WORDS, False, stack))
        target = resolve_target(target, 'next_word', 'tokens')
        model = target.vaiven(stack.enter_context(target.client()))
        from vaiven.serving.commands.batch_requests import batch_results

        results = batch_results(
            batches(writer.remaining(texts), BATCH_ROWS),
            lambda batch, number: list(zip(batch, model.next_words(batch, k), strict=True)),
            output.patience,
        )
        for batch, batch_result in stack.enter_context(closing(results)):
            writer.write(batch_result, batch, texts.share())


def word_rows(result: Words, number: int) -> Iterator[tuple[str, str, str]]:
    """A row for each word: prefix, word, probability."""
    text, words = result
    for word in words:
        yield text, word.token, f'{math.exp(word.log_probability):.6f}'


def word_lines(result: Words, number: int) -> Iterator[str]:
    """The prefix, and a line for each word."""
    text, words = result
    yield f'{printable(text, terminal.width() - 2)} …'
    for word in words:
        yield f'  {math.exp(word.log_probability):6.1%}  {printable(word.token, terminal.width() - 10)}'


WORDS: Form[Words] = Form(
    columns=('text', 'token', 'probability'),
    rows=word_rows,
    values=lambda result, number: {
        'text': result[0],
        'next': [{'token': word.token, 'probability': math.exp(word.log_probability)} for word in result[1]],
    },
    terminal_lines=word_lines,
)
