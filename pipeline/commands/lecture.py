"""`vaiven lecture`."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from vaiven.pipeline.local_addresses import require_local_path

if TYPE_CHECKING:
    from vaiven.models.lecture.corpus import Corpus


@click.command()
@click.option(
    '--data',
    'files',
    multiple=True,
    metavar='FILE',
    help='A text (UTF-8, plain or .gz), or a csv or tsv file as for `vaiven run`. Can be repeated.',
)
@click.option(
    '--output', default='lecture.html', show_default=True, metavar='FILE', help='HTML file to write.'
)
@click.option('--quick', is_flag=True, help='Train less: under a minute instead of five.')
@click.option(
    '--seed', default=0, show_default=True, type=int, help='Random seed of the weights and windows.'
)
@click.option(
    '--reviews/--no-reviews',
    default=True,
    help='Add the English film reviews to the texts of --data.',
)
def lecture(files: tuple[str, ...], output: str, quick: bool, seed: int, reviews: bool) -> int:
    """Create a page for teaching recurrent networks: gradients, gates, learning curves and next words.

    The page is one HTML file that opens offline. The cells are compared on the first text of --data, or else on
    English film reviews. Gaps in sentences are filled by a model of each text, so Spanish
    sentences need a Spanish text.

    \b
    Examples:
      vaiven lecture
      vaiven lecture --quick --data novels.txt --output networks.html
    """
    from vaiven.errors import UserError

    files = tuple(require_local_path(path, '--data') for path in files)
    output = require_local_path(output, '--output')
    if not files and not reviews:
        raise UserError('--no-reviews needs another text: add --data FILE')
    from vaiven.pipeline.progress_display import progress_display

    start = time.monotonic()
    with progress_display(os.devnull) as display:
        display.set_activity('loading TensorFlow')
        from vaiven.models.lecture.config import LectureConfig
        from vaiven.models.lecture.experiments import compute
        from vaiven.models.lecture.page import check_output, render_page, write_page

        config = LectureConfig(seed=seed)
        config = config.quick() if quick else config
        check_output(output)
        display.set_activity('reading the texts')
        corpora = _corpora(files, reviews, config.max_characters)
        display.set_activity('training')
        write_page(output, render_page(compute(corpora, config)))
        display.line(f'wrote {output} ({time.monotonic() - start:.0f} s)')
    return 0


def _titles(files: Iterable[str]) -> dict[str, str]:
    """The title of each text: the name of its file, or the whole path if several files have the same name."""
    counts = Counter(map(os.path.basename, dict.fromkeys(files)))
    return {path: path if counts[name := os.path.basename(path)] > 1 else name for path in files}


def _corpora(files: tuple[str, ...], reviews: bool, max_characters: int) -> list['Corpus']:
    from vaiven.components.text_example_gen.config import DataConfig
    from vaiven.components.text_example_gen.default_data import default_data
    from vaiven.components.text_example_gen.errors import DownloadError
    from vaiven.components.text_example_gen.reading import read_rows
    from vaiven.models.lecture.corpus import read_lines, split_corpus
    from vaiven.pipeline.progress_display import PROGRESS

    def lines(path: str) -> list[str]:
        if path.removesuffix('.gz').lower().endswith(('.csv', '.tsv')):
            return [row.text for row in read_rows(path, DataConfig())]
        return read_lines(path)

    texts = {name: lines(path) for path, name in _titles(files).items()}
    if reviews:
        try:
            texts['English film reviews'] = lines(default_data())
        except DownloadError as error:
            if not texts:
                raise
            PROGRESS.info('the film reviews are not available: %s', error)
    corpora = [split_corpus(name, text, max_characters) for name, text in texts.items()]
    for item in corpora:
        PROGRESS.info('%s: %d characters', item.name, item.characters)
    return corpora
