"""`vaiven generate`: continuations of prompts, from a server or from a pushed model in this process."""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from vaiven.serving.commands.connecting import resolve_target
from vaiven.serving.commands.options import Target, model_version_options, option_group
from vaiven.serving.commands.output import Output, stream_options
from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.text_inputs import Input, Texts, batches, input_options, printable
from vaiven.serving.common import terminal
from vaiven.serving.common.defaults import TEMPERATURE, TOP_P

if TYPE_CHECKING:
    from vaiven.serving.client import Continuation

    Seeded = tuple[Continuation, int]

BATCH_ROWS = 32


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How tokens are drawn: the arguments of `Vaiven.generate`."""

    length: int
    temperature: float
    top_p: float
    top_k: int
    no_repeat: int


sampling_options = option_group(
    'sampling',
    Sampling,
    click.option('--length', default=500, show_default=True, type=int, help='Number of tokens to generate.'),
    click.option(
        '--temperature',
        default=TEMPERATURE,
        show_default=True,
        help='Sampling temperature; 0 always takes the most probable token.',
    ),
    click.option(
        '--top-p',
        default=TOP_P,
        show_default=True,
        help='Sample from the fewest tokens with this total probability.',
    ),
    click.option('--top-k', default=0, show_default=True, help='Sample from the K most probable; 0: all.'),
    click.option(
        '--no-repeat', default=0, show_default=True, help='Do not repeat any N tokens in a row; 0: no limit.'
    ),
)


@click.command()
@click.argument('prompt', nargs=-1)
@click.option(
    '--count', default=1, show_default=True, type=click.IntRange(1, 1000), help='Continuations per prompt.'
)
@sampling_options
@click.option(
    '--seed', type=int, help='Random seed; the same seed generates the same text.  [default: random]'
)
@input_options
@stream_options
@model_version_options
def generate(
    prompt: tuple[str, ...],
    count: int,
    sampling: Sampling,
    seed: int | None,
    source: Input,
    output: Output,
    target: Target,
) -> None:
    """Generate a continuation of each PROMPT, or a text from scratch without one.

    Tokens are characters or words, as the model was trained. Prints each prompt with its continuation on one line.

    Requests go to the server. If none is running and none was named, the newest model below vaiven-runs is loaded in
    this process.

    \b
    Examples:
      vaiven generate "En un lugar de la Mancha"
      vaiven generate --length 1000 --count 3 --temperature 0.6 --seed 7
    """
    first_seed = random.randrange(2**31) if seed is None else seed
    with ExitStack() as stack:
        texts = source.texts(prompt, stack) if source.is_given(prompt) else Texts([''])
        writer = stack.enter_context(output.open(CONTINUATION, False, stack))
        target = resolve_target(target, 'generate', 'generated')
        model = target.vaiven(stack.enter_context(target.client()))
        from vaiven.serving.commands.batch_requests import batch_results

        def send(batch: list[str], number: int) -> list[Seeded]:
            # Each batch has another seed: with the same one, equal prompts would have equal continuations.
            batch_seed = (first_seed + number) % 2**31
            generated = model.generate(batch, seed=batch_seed, **dataclasses.asdict(sampling))
            return [(text, batch_seed) for text in generated]

        copies = (text for text in writer.remaining(texts) for _ in range(count))
        # Batches of a fixed size: pauses of the input must not change what is generated.
        results = batch_results(batches(copies, BATCH_ROWS, fixed=True), send, output.patience)
        for batch, batch_result in stack.enter_context(closing(results)):
            writer.write(batch_result, batch, texts.share())


def _terminal_lines(text: Continuation) -> Iterable[str]:
    """The prompt in bold and its continuation, wrapped to the width of the terminal."""
    prompt = printable(text.text)
    lines = terminal.folded(prompt + printable(text.generated), sys.stdout, '').split('\n')
    for line in lines:
        bold = line if prompt.startswith(line) else prompt if line.startswith(prompt) else ''
        prompt = prompt[len(bold) :].lstrip() if bold == line else ''
        yield click.style(bold, bold=True) + line[len(bold) :] if bold else line


CONTINUATION: Form[Seeded] = Form(
    columns=('text', 'generated', 'seed'),
    rows=lambda result, number: ((result[0].text, result[0].generated, str(result[1])),),
    values=lambda result, number: {
        'text': result[0].text,
        'generated': result[0].generated,
        'seed': result[1],
    },
    terminal_lines=lambda result, number: _terminal_lines(result[0]),
    text_rows=lambda result, number: ((result[0].text + result[0].generated,),),
)
