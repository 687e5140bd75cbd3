"""`vaiven generate`: text written on, by a server."""

from __future__ import annotations

import json
import random
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from vaiven.serving.commands.options import WRITER, server_options, version_options, where
from vaiven.serving.commands.texts import batches, field, printable, texts
from vaiven.serving.defaults import TEMPERATURE, TOP_P

if TYPE_CHECKING:
    from vaiven.serving.client import Written

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
@click.option('--file', metavar='FILE', help='Take one seed text a line from this file; - is standard input.')
@partial(server_options, model=WRITER)
@version_options
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON object a text.')
def generate(
    seed_text: tuple[str, ...],
    length: int,
    count: int,
    temperature: float,
    top_p: float,
    top_k: int,
    no_repeat: int,
    seed: int | None,
    file: str | None,
    server: str | None,
    model: str,
    timeout: float,
    version: int | None,
    label: str | None,
    rest: bool,
    as_json: bool,
) -> None:
    """Have a server write on after each SEED_TEXT, or from nothing where there is none.

    Tokens are characters, or words and signs, as the model was made. Prints the seed text and what follows, a
    line for each.

    \b
    Examples:
      vaiven generate "En un lugar de la Mancha"
      vaiven generate --length 1000 --count 3 --temperature 0.6 --no-repeat 30 --seed 7
    """
    place = where(server, model, timeout, version, label, rest)
    chosen = random.randrange(2**31) if seed is None else seed
    seeds = texts(seed_text, file) if seed_text or file is not None else iter([''])
    copies = (text for text in seeds for _ in range(count))
    in_terminal = sys.stdout.isatty()
    with place.client() as client:
        asking = place.vaiven(client)
        for batch in batches(copies, BATCH_ROWS):
            for written in asking.generate(
                batch,
                length=length,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                no_repeat=no_repeat,
                seed=chosen,
            ):
                click.echo(shown(written, chosen, as_json, in_terminal))
            chosen = (chosen + 1) % 2**31  # or each batch would be written on like the first


def shown(written: Written, seed: int, as_json: bool, in_terminal: bool) -> str:
    if as_json:
        values = {'text': written.text, 'generated': written.generated, 'seed': seed}
        return json.dumps(values, ensure_ascii=False)
    if in_terminal:
        return click.style(printable(written.text), bold=True) + printable(written.generated)
    return field(written.text + written.generated)
