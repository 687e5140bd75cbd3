"""`vaiven predict`: the sentiment of texts, from a server or from a pushed model in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.connecting import resolve_target
from vaiven.serving.commands.keep_columns import keep_option
from vaiven.serving.commands.options import Target, model_version_options
from vaiven.serving.commands.output import Output, output_options
from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.text_inputs import Input, batches, input_options, printable
from vaiven.serving.common import terminal

if TYPE_CHECKING:
    from vaiven.serving.client import Sentiment, TokenSentiment

BATCH_ROWS = 128


@click.command()
@click.argument('text', nargs=-1)
@input_options
@keep_option
@click.option('--course', is_flag=True, help='Show the sentiment after each token.')
@output_options
@model_version_options
def predict(
    text: tuple[str, ...], source: Input, keep: tuple[str, ...], course: bool, output: Output, target: Target
) -> None:
    """Predict the sentiment of each TEXT.

    Without TEXT, the texts are read from FILE or from standard input: one per line, or the column `text` of a table
    (.csv, .tsv, .jsonl, .json, .parquet, .ft), compressed (.gz, .bz2, .zst, .zip) or not.

    A terminal shows a table. A pipe gets the label, the probability of that label, and the text, separated by tabs.
    In csv and jsonl, `probability` is the probability of positive. With --course there is one line per token: the
    number of the text, the probability of positive up to that token, and the token. The columns of --keep-columns
    follow.

    Requests go to the server. If none is running and none was named, the newest model below vaiven-runs is loaded in
    this process.

    \b
    Examples:
      vaiven predict "A moving story" "Tedious and far too long"
      vaiven predict --label stable < reviews.txt > results.tsv
      vaiven predict --file reviews.csv --field body --out results.jsonl --resume
      vaiven predict --file reviews.csv --keep-columns id,date --out results.csv
      vaiven predict --course "It starts well, but the end is awful"
    """
    form: Form[Any] = PER_TOKEN_SENTIMENT if course else SENTIMENT
    signature = ('sentiment_course', 'probabilities') if course else ('serving_default', 'label')
    with ExitStack() as stack:
        texts = replace(source, keep=keep).texts(text, stack)
        writer = stack.enter_context(output.open(form, not course, stack, keep))
        target = resolve_target(target, *signature)
        model = target.vaiven(stack.enter_context(target.client()))
        send: Callable[[list[str]], list[Any]] = model.token_sentiment if course else model.sentiment
        from vaiven.serving.commands.batch_requests import batch_results

        results = batch_results(
            batches(writer.remaining(texts), BATCH_ROWS),
            lambda batch, number: send([str(text) for text in batch]),
            output.patience,
        )
        for batch, batch_result in stack.enter_context(closing(results)):
            writer.write(batch_result, batch, texts.share())


def sentiment_lines(result: Sentiment, number: int) -> Iterable[str]:
    """A line with label, probability of the label and text."""
    colour = 'green' if result.label == 'positive' else 'red'
    text = printable(result.text, terminal.width() - 18)
    return (f'{click.style(f"{result.label:8}", fg=colour)}  {result.score:6.1%}  {text}',)


def per_token_lines(result: TokenSentiment, number: int) -> Iterator[str]:
    """The text, and for each token a line with the probability of positive, as a number and as a bar."""
    yield click.style(printable(result.text, terminal.width()), bold=True)
    for token, probability in zip(result.tokens, result.probabilities, strict=True):
        bar = click.style(f'{"█" * round(20 * probability):20}', fg='green' if probability > 0.5 else 'red')
        yield f'  {probability:6.1%}  {bar}  {printable(token, terminal.width() - 32)}'


def per_token_rows(result: TokenSentiment, number: int) -> Iterator[tuple[str, str, str]]:
    """A row for each token: number of the text, probability of positive, token."""
    for token, probability in zip(result.tokens, result.probabilities, strict=True):
        yield str(number), f'{probability:.6f}', token


SENTIMENT: Form[Sentiment] = Form(
    columns=('label', 'probability', 'text'),
    rows=lambda result, number: ((result.label, f'{result.probability:.6f}', result.text),),
    values=lambda result, number: {
        'text': result.text,
        'label': result.label,
        'probability': result.probability,
    },
    terminal_lines=sentiment_lines,
    text_rows=lambda result, number: ((result.label, f'{result.score:.6f}', result.text),),
)
PER_TOKEN_SENTIMENT: Form[TokenSentiment] = Form(
    columns=('number', 'probability', 'token'),
    rows=per_token_rows,
    values=lambda result, number: {
        'text': result.text,
        'tokens': result.tokens,
        'probabilities': result.probabilities,
    },
    terminal_lines=per_token_lines,
    keys=('text', 'tokens', 'probabilities'),
)
