"""`vaiven predict`: the classes of texts, from a server or from a pushed model in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.connecting import resolve_target
from vaiven.serving.commands.keep_columns import keep_option
from vaiven.serving.commands.options import Target, model_version_options, option_group
from vaiven.serving.commands.output import Output, output_options
from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.prediction_form import PredictionForm
from vaiven.serving.commands.text_inputs import Input, batches, input_options, printable
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.client import TokenSentiment, Vaiven

BATCH_ROWS = 128
# Signature → an output that it has in every model that this command can use.
_OUTPUTS = {'serving_default': 'label', 'sentiment_course': 'probabilities', 'explain': 'word_values'}

Send = Callable[[list[str]], list[Any]]


@dataclass(frozen=True)
class Answers:
    """The options of `vaiven predict` about what is predicted.

    Attributes:
        course: whether to predict the sentiment after each token.
        explain: whether to explain the labels.
        min_score: the lowest score with a label.
        probabilities: whether to write the probability of every class.
    """

    course: bool = False
    explain: bool = False
    min_score: float = 0.0
    probabilities: bool = False

    def check(self, form: str | None) -> None:
        """Raises click.UsageError if the options contradict each other, or do not fit the output.

        Args:
            form: one of `output_formats.FORMS`; None for a terminal.
        """
        if self.course and self.explain:
            raise click.UsageError('--course and --explain exclude each other: leave out one of them')
        if (self.course or self.explain) and (self.min_score or self.probabilities):
            option = '--course' if self.course else '--explain'
            raise click.UsageError(f'{option} is about words: leave out --min-score and --probabilities')
        if self.probabilities and form not in ('csv', 'jsonl'):
            raise click.UsageError('--probabilities needs --to csv or jsonl, or --out FILE')


# `answers: Answers`.
answer_options = option_group(
    'answers',
    Answers,
    click.option('--course', is_flag=True, help='Show the sentiment after each token.'),
    click.option('--explain', is_flag=True, help='Show which words and n-grams speak for the label.'),
    click.option(
        '--min-score',
        type=click.FloatRange(0, 1),
        default=0.0,
        metavar='SHARE',
        help='Label a text with a lower score `undecided`, as 0.7.  [default: label every text]',
    ),
    click.option(
        '--probabilities', is_flag=True, help='Write the probability of every class to csv or jsonl.'
    ),
)


@click.command()
@click.argument('text', nargs=-1)
@input_options
@keep_option
@answer_options
@output_options
@model_version_options
def predict(
    text: tuple[str, ...],
    source: Input,
    keep: tuple[str, ...],
    answers: Answers,
    output: Output,
    target: Target,
) -> None:
    """Predict the label of each TEXT: its sentiment, or another class of the model.

    Without TEXT, the texts are read from FILE or from standard input: one per line, or the column `text` of a table
    (.csv, .tsv, .jsonl, .json, .parquet, .ft), compressed (.gz, .bz2, .zst, .zip) or not.

    A terminal shows a table. A pipe gets the label, its score, which is its probability, and the text, separated by
    tabs. In csv and jsonl, models with two classes have the `probability` of the second class, such as positive, and
    others the `score` of the label. With --course there is one line per token: the number of the text, the probability
    of positive up to that token, and the token. With --explain there is one line per word: the number of the text, its
    label and score, the word, and how much it speaks for the label; a terminal shows the words in colour. The columns
    of --keep-columns follow.

    Requests go to the server. If none is running and none was named, the newest model below vaiven-runs is loaded in
    this process.

    \b
    Examples:
      vaiven predict "A moving story" "Tedious and far too long"
      vaiven predict --label stable < reviews.txt > results.tsv
      vaiven predict --file reviews.csv --field body --out results.jsonl --resume
      vaiven predict --file reviews.csv --keep-columns id,date --out results.csv
      vaiven predict --file tickets.csv --min-score 0.7 --out results.csv
      vaiven predict --course "It starts well, but the end is awful"
      vaiven predict --explain "It starts well, but the end is awful"
    """
    signature, choose = 'serving_default', _classes
    if answers.course or answers.explain:
        signature, choose = ('sentiment_course', _tokens) if answers.course else ('explain', _explanations)
    with ExitStack() as stack:
        texts = replace(source, keep=keep).texts(text, stack)
        destination = output.destination(choose is _classes, stack, keep)
        answers.check(destination.form_name)
        target = resolve_target(target, signature, _OUTPUTS[signature])
        model = target.vaiven(stack.enter_context(target.client()))
        send, form = choose(model, _signatures(model, target), answers, destination.form_name)
        writer = stack.enter_context(destination.writer(form))
        from vaiven.serving.commands.batch_requests import batch_results

        results = batch_results(
            batches(writer.remaining(texts), BATCH_ROWS),
            lambda batch, number: send([str(text) for text in batch]),
            output.patience,
        )
        for batch, batch_result in stack.enter_context(closing(results)):
            writer.write(batch_result, batch, texts.share())


def _signatures(model: Vaiven, target: Target) -> dict[str, frozenset[str]]:
    """Names of the outputs of each signature of the model."""
    metadata = model.client.metadata(model.model, version=target.version, label=target.label)
    return {name: frozenset(signature.outputs) for name, signature in metadata.signatures.items()}


def _classes(
    model: Vaiven, signatures: dict[str, frozenset[str]], answers: Answers, form_name: str | None
) -> tuple[Send, Form[Any]]:
    """How to predict the classes of texts, and the form of the results."""
    from vaiven.serving.client import UNDECIDED

    outputs = signatures.get('serving_default', frozenset())
    undecided = UNDECIDED if answers.min_score else ''
    form = PredictionForm(model.model, outputs, answers.probabilities, undecided)
    requested = form.requested_outputs(form_name)

    def send(batch: list[str]) -> list[Any]:
        return model.classify(batch, outputs=requested, min_score=answers.min_score)

    # The classes are needed before the first text: as columns, and to refuse one that is named `undecided`.
    needs_classes = undecided or (answers.probabilities and form_name == 'csv')
    classes = model.classify('', min_score=answers.min_score)[0].classes if needs_classes else ()
    return send, form.form(classes if answers.probabilities and form_name == 'csv' else ())


def _tokens(
    model: Vaiven, signatures: dict[str, frozenset[str]], answers: Answers, form_name: str | None
) -> tuple[Send, Form[Any]]:
    """How to predict the sentiment after each token, and the form of the results."""
    if 'sentiment_course' not in signatures and 'label' in signatures.get('serving_default', ()):
        raise ServingError(
            f'--course needs a model with two classes, and {model.model!r} has others: leave out --course'
        )
    return model.token_sentiment, PER_TOKEN_SENTIMENT


def _explanations(
    model: Vaiven, signatures: dict[str, frozenset[str]], answers: Answers, form_name: str | None
) -> tuple[Send, Form[Any]]:
    """How to explain labels, and the form of the results."""
    if 'explain' not in signatures and 'label' in signatures.get('serving_default', ()):
        raise ServingError(
            f'--explain needs a model with the signature explain, and {model.model!r} is of an earlier version: '
            'train it again'
        )
    from vaiven.serving.commands.explain_lines import EXPLANATION

    return model.explain, EXPLANATION


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
