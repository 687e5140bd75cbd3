"""`vaiven score`: how well a language model predicts texts, from a server or from a pushed model in this process."""

from __future__ import annotations

import math
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from vaiven.models.language.config import AdaptationConfig
from vaiven.serving.commands.connecting import resolve_target
from vaiven.serving.commands.keep_columns import keep_option
from vaiven.serving.commands.local_models import find_local_model
from vaiven.serving.commands.options import Target, model_version_options, option_group
from vaiven.serving.commands.output import Output, Writer, output_options
from vaiven.serving.commands.score_form import ScoredText, Surprisal, Total, score_form
from vaiven.serving.commands.text_inputs import Input, Texts, batches, input_options
from vaiven.serving.common import terminal

if TYPE_CHECKING:
    from vaiven.serving.client import Score

# A model keeps `tokens × units` numbers for each text of a batch, and a text may be a whole chapter.
BATCH_ROWS = 16
SIGNATURE = 'score', 'bits_per_character'
DEFAULTS = AdaptationConfig()


@dataclass(frozen=True)
class Adaptation:
    """The options of `vaiven score` about adaptation.

    Attributes:
        adapt: whether the model learns from the texts.
        window, learning_rate, decay: as in `AdaptationConfig`; None for its default.
    """

    adapt: bool
    window: int | None
    learning_rate: float | None
    decay: float | None

    def config(self) -> AdaptationConfig | None:
        """The settings; None without adaptation.

        Raises:
            click.UsageError: there are settings, but no --adapt.
            ConfigError: a setting is out of its range.
        """
        values = {'window': self.window, 'learning_rate': self.learning_rate, 'decay': self.decay}
        given = {name: value for name, value in values.items() if value is not None}
        if not self.adapt:
            if given:
                option = min(given).replace('_', '-')
                raise click.UsageError(f'--{option} is a setting of the adaptation: add --adapt')
            return None
        return AdaptationConfig(**given)  # type: ignore[arg-type]


# `adaptation: Adaptation`.
adaptation_options = option_group(
    'adaptation',
    Adaptation,
    click.option('--adapt', is_flag=True, help='Let a copy of the model learn from the texts as it reads.'),
    click.option(
        '--window',
        type=int,
        metavar='N',
        help=f'With --adapt: number of tokens between two steps.  [default: {DEFAULTS.window}]',
    ),
    click.option(
        '--learning-rate',
        type=float,
        metavar='RATE',
        help=f'With --adapt: size of the steps.  [default: {DEFAULTS.learning_rate:g}]',
    ),
    click.option(
        '--decay',
        type=float,
        metavar='SHARE',
        help=f'With --adapt: pull towards the original weights.  [default: {DEFAULTS.decay:g}]',
    ),
)


@click.command()
@click.argument('text', nargs=-1)
@adaptation_options
@input_options
@keep_option
@output_options
@model_version_options
def score(
    text: tuple[str, ...],
    adaptation: Adaptation,
    source: Input,
    keep: tuple[str, ...],
    output: Output,
    target: Target,
) -> None:
    """Measure how well a language model predicts each TEXT.

    Shows the bits per character and the perplexity per token, the end of the text included; lower is better. With
    several texts, standard error gets the mean, in which each character has the same weight.

    Without TEXT, the texts are read from FILE or from standard input: one per line, or the column `text` of a table
    (.csv, .tsv, .jsonl, .json, .parquet, .ft), compressed (.gz, .bz2, .zst, .zip) or not.

    A terminal shows a table. A pipe gets one line per text, separated by tabs: bits per character, perplexity, number
    of tokens, number of characters, text. With --adapt, bits per character and perplexity with adaptation follow those
    without.

    With --adapt, the texts are one stream: after each window of tokens, the weights take a step that makes what was
    just read more probable (dynamic evaluation). The model is loaded in this process, and its files do not change.

    Without --adapt, requests go to the server. If none is running and none was named, the newest model below
    vaiven-runs is loaded in this process.

    \b
    Examples:
      vaiven score "En un lugar de la Mancha" "Mancha la de lugar un en"
      vaiven score --file chapters.jsonl --out scores.csv
      vaiven score --adapt --file chapters.jsonl
      vaiven score --adapt --server saved-model:models/novel --file chapters.jsonl
    """
    config = adaptation.config()
    if config is not None and output.resume:
        raise click.UsageError('--resume cannot continue what --adapt has learned: leave out one of them')
    total = Total()
    with ExitStack() as stack:
        texts = replace(source, keep=keep).texts(text, stack)
        writer = stack.enter_context(output.open(score_form(config is not None), True, stack, keep))
        if config is None:
            _score(texts, writer, total, output.patience, target, stack)
        else:
            _score_adapted(texts, writer, total, config, target)
    if line := total.line():
        terminal.say(line, err=True)


def _score(
    texts: Texts, writer: Writer, total: Total, patience: float, target: Target, stack: ExitStack
) -> None:
    """Writes the scores of a server, or of a pushed model in this process."""
    target = resolve_target(target, *SIGNATURE)
    model = target.vaiven(stack.enter_context(target.client()))
    from vaiven.serving.commands.batch_requests import batch_results

    results = batch_results(
        batches(writer.remaining(texts), BATCH_ROWS),
        lambda batch, number: [_scored(score) for score in model.score([str(text) for text in batch])],
        patience,
    )
    for batch, batch_result in stack.enter_context(closing(results)):
        writer.write(total.add(batch_result), batch, texts.share())


def _scored(score: Score) -> ScoredText:
    # The signature has no count of characters, but two numbers whose quotient it is.
    bits = -score.log_probability / math.log(2)
    characters = round(bits / score.bits_per_character) if score.bits_per_character else score.tokens
    return ScoredText(score.text, Surprisal(-score.log_probability, score.tokens, max(characters, 1)))


def _score_adapted(
    texts: Texts, writer: Writer, total: Total, config: AdaptationConfig, target: Target
) -> None:
    """Writes the scores without and with adaptation of a model in this process."""
    folder = find_local_model(target, *SIGNATURE, 'vaiven score --adapt')
    from vaiven.serving.server.runtime import tensorflow

    tensorflow()  # before anything else imports it: otherwise it writes to the terminal
    from vaiven.pipeline.adapted_scores import adapted_scores

    remaining = (text for text in writer.remaining(texts) if text is not None)
    for result in adapted_scores(folder, remaining, config):
        writer.write(total.add([result]), [result.text], texts.share())
