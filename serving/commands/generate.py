"""`vaiven generate`: continuations of texts, by a server or by a pushed model in this process."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING

import click

from vaiven.serving.commands.connecting import reachable
from vaiven.serving.commands.options import server_options, version_options, where
from vaiven.serving.commands.output import Output, stream_options
from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.text_inputs import Input, Texts, batches, input_options, printable
from vaiven.serving.common import terminal
from vaiven.serving.common.defaults import TEMPERATURE, TOP_P

if TYPE_CHECKING:
    from vaiven.serving.client import Written

    Seeded = tuple[Written, int]

BATCH_ROWS = 32


@click.command()
@click.argument('seed_text', nargs=-1)
@click.option('--length', default=500, show_default=True, type=int, help='How many tokens to write.')
@click.option(
    '--count', default=1, show_default=True, type=click.IntRange(1, 1000), help='Texts for each seed.'
)
@click.option('--temperature', default=TEMPERATURE, show_default=True, help='0: the likeliest token, always.')
@click.option('--top-p', default=TOP_P, show_default=True, help='Draw from this share of the probability.')
@click.option('--top-k', default=0, show_default=True, help='… and from so many tokens at most; 0: all.')
@click.option(
    '--no-repeat', default=0, show_default=True, help='Repeat no N tokens in a row; 0: as it comes.'
)
@click.option(
    '--seed', type=int, help='Of the draws; the same one writes the same text.  [default: by chance]'
)
@input_options
@stream_options
@partial(server_options, model='')
@version_options
def generate(
    seed_text: tuple[str, ...],
    length: int,
    count: int,
    temperature: float,
    top_p: float,
    top_k: int,
    no_repeat: int,
    seed: int | None,
    source: Input,
    output: Output,
    server: str | None,
    model: str | None,
    timeout: float,
    version: int | None,
    label: str | None,
    rest: bool,
) -> None:
    """Continue each SEED_TEXT, or write from nothing where there is none.

    Tokens are characters, or words and signs, as the model was made. Prints the seed text and what follows, a
    line for each.

    A server is asked. Where none runs and none was named, the newest model below vaiven-runs is used in this process.

    \b
    Examples:
      vaiven generate "En un lugar de la Mancha"
      vaiven generate --length 1000 --count 3 --temperature 0.6 --seed 7
    """
    place = where(server, model, timeout, version, label, rest)
    chosen = random.randrange(2**31) if seed is None else seed
    with ExitStack() as stack:
        texts = source.texts(seed_text, stack) if source.given(seed_text) else Texts([''])
        writer = stack.enter_context(output.open(WRITTEN, False, stack))
        place = reachable(place, 'generate', 'generated')
        asking = place.vaiven(stack.enter_context(place.client()))
        from vaiven.serving.commands.batch_requests import answers

        def generate(batch: list[str], number: int) -> list[Seeded]:
            """Each batch has a seed of its own, or it would be written on like the first."""
            own = (chosen + number) % 2**31
            written = asking.generate(
                batch,
                length=length,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                no_repeat=no_repeat,
                seed=own,
            )
            return [(each, own) for each in written]

        copies = (text for text in writer.left(texts) for _ in range(count))
        # Of fixed sizes: how the texts come must not change what is written.
        answered = answers(batches(copies, BATCH_ROWS, fixed=True), generate, output.patience)
        for batch, found in stack.enter_context(closing(answered)):
            writer.write(found, batch, texts.share())


def _shown(written: Written) -> Iterable[str]:
    """The prompt in bold and what follows, in lines that the terminal has room for."""
    prompt = printable(written.text)
    lines = terminal.folded(prompt + printable(written.generated), sys.stdout, '').split('\n')
    for line in lines:
        bold = line if prompt.startswith(line) else prompt if line.startswith(prompt) else ''
        prompt = prompt[len(bold) :].lstrip() if bold == line else ''
        yield click.style(bold, bold=True) + line[len(bold) :] if bold else line


WRITTEN: Form[Seeded] = Form(
    ('text', 'generated', 'seed'),
    lambda found, number: ((found[0].text, found[0].generated, str(found[1])),),
    lambda found, number: {'text': found[0].text, 'generated': found[0].generated, 'seed': found[1]},
    lambda found, number: _shown(found[0]),
    lambda found, number: ((found[0].text + found[0].generated,),),
)
