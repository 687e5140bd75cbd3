"""`vaiven lecture`."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from vaiven.pipeline.local_addresses import require_local

if TYPE_CHECKING:
    from vaiven.models.lecture.corpus import Corpus


@click.command()
@click.option(
    '--data',
    'files',
    multiple=True,
    metavar='FILE',
    help='A text (UTF-8, plain or .gz), or a csv or tsv file as for `vaiven run`; may be repeated.',
)
@click.option(
    '--output', default='lecture.html', show_default=True, metavar='FILE', help='The page to write.'
)
@click.option('--quick', is_flag=True, help='Less training: under a minute in place of five.')
@click.option('--seed', default=0, show_default=True, type=int, help='Of the weights and of the windows.')
@click.option(
    '--reviews/--no-reviews',
    default=True,
    help='Whether the English film reviews are a text beside those of --data.',
)
def lecture(files: tuple[str, ...], output: str, quick: bool, seed: int, reviews: bool) -> int:
    """Make a page for teaching: gradients, gates, learning curves and next words of recurrent cells.

    One HTML file that opens offline. The cells are compared on the first text of --data, or else on English film
    reviews; gaps in sentences are filled from every text, so a Spanish text answers the Spanish sentences.

    \b
    Examples:
      vaiven lecture
      vaiven lecture --quick --data novels.txt --output networks.html
    """
    from vaiven.errors import UserError

    files = tuple(require_local(path, '--data') for path in files)
    output = require_local(output, '--output')
    if not files and not reviews:
        raise UserError('without the film reviews there must be another text: name one with --data FILE')
    from vaiven.pipeline.progress_display import screen

    began = time.monotonic()
    with screen(os.devnull) as shown:
        shown.doing('loading TensorFlow')
        from vaiven.models.lecture.config import LectureConfig
        from vaiven.models.lecture.experiments import compute
        from vaiven.models.lecture.page import check_output, page, write

        config = LectureConfig(seed=seed)
        config = config.quick() if quick else config
        check_output(output)
        shown.doing('reading')
        corpora = _corpora(files, reviews, config.max_characters)
        shown.doing('training')
        write(output, page(compute(corpora, config)))
        shown.line(f'wrote {output} ({time.monotonic() - began:.0f} s)')
    return 0


def _names(files: Iterable[str]) -> dict[str, str]:
    """What each file is called: its name alone, or its whole path where others are called so, too."""
    counts = Counter(map(os.path.basename, dict.fromkeys(files)))
    return {path: path if counts[name := os.path.basename(path)] > 1 else name for path in files}


def _corpora(files: tuple[str, ...], reviews: bool, max_characters: int) -> list['Corpus']:
    from vaiven.components.text_example_gen.config import DataConfig
    from vaiven.components.text_example_gen.default_data import default_data
    from vaiven.components.text_example_gen.errors import DownloadError
    from vaiven.components.text_example_gen.reading import read_rows
    from vaiven.models.lecture.corpus import corpus, read_lines
    from vaiven.pipeline.progress_display import PROGRESS

    def lines(path: str) -> list[str]:
        if path.removesuffix('.gz').lower().endswith(('.csv', '.tsv')):
            return [row.text for row in read_rows(path, DataConfig())]
        return read_lines(path)

    texts = {name: lines(path) for path, name in _names(files).items()}
    if reviews:
        try:
            texts['English film reviews'] = lines(default_data())
        except DownloadError as error:
            if not texts:
                raise
            PROGRESS.info('without the film reviews: %s', error)
    found = [corpus(name, text, max_characters) for name, text in texts.items()]
    for text in found:
        PROGRESS.info('%s: %d characters', text.name, text.characters)
    return found
