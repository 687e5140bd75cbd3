"""`vaiven lecture`."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from vaiven.pipeline.local_addresses import require_local_path

if TYPE_CHECKING:
    from vaiven.models.lecture.config import LectureConfig
    from vaiven.models.lecture.corpus import Corpus

# Debian's package `fortunes-es`: Spanish sayings, one file for each subject.
SPANISH_SAYINGS = Path('/usr/share/games/fortunes/es')


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
@click.option(
    '--quick', is_flag=True, help='Seven cells and less training: about one minute instead of five.'
)
@click.option(
    '--seed', default=0, show_default=True, type=int, help='Random seed of the weights and windows.'
)
@click.option(
    '--lang',
    'language',
    type=click.Choice(['en', 'es']),
    default='en',
    show_default=True,
    help="Language of the page, and of its text without --data: es takes Debian's package fortunes-es if installed.",
)
@click.option(
    '--reviews/--no-reviews',
    default=True,
    help='Add the English film reviews to the texts of --data, or use them as the only text.',
)
def lecture(
    files: tuple[str, ...], output: str, quick: bool, seed: int, language: Literal['en', 'es'], reviews: bool
) -> int:
    """Create a page for teaching recurrent networks: gradients, gates, learning curves, memory and next words.

    The page is one HTML file that opens offline. The cells are compared on the first text of --data, or else on
    English film reviews. Gaps in sentences are filled by a model of each text, so Spanish
    sentences need a Spanish text.

    \b
    Examples:
      vaiven lecture
      vaiven lecture --quick --data novels.txt --output networks.html
      vaiven lecture --lang es --data novelas.txt --no-reviews
    """
    from vaiven.errors import UserError

    files = tuple(require_local_path(path, '--data') for path in files)
    output = require_local_path(output, '--output')
    sayings = sorted(map(str, SPANISH_SAYINGS.glob('*.u8'))) if language == 'es' and not files else []
    if not files and not sayings and not reviews:
        raise UserError('--no-reviews needs another text: add --data FILE')
    from vaiven.pipeline.progress_display import progress_display

    start = time.monotonic()
    with progress_display(os.devnull) as display:
        display.set_activity('loading TensorFlow')
        from vaiven.models.lecture.config import LectureConfig
        from vaiven.models.lecture.experiments import compute
        from vaiven.models.lecture.page import check_output, render_page, write_page

        config = LectureConfig(language=language, seed=seed)
        config = config.quick() if quick else config
        check_output(output)
        display.set_activity('reading the texts')
        texts = corpora(files, sayings, reviews, config)
        display.set_activity('training')
        write_page(output, render_page(compute(texts, config)))
        display.line(f'wrote {output} ({time.monotonic() - start:.0f} s)')
    return 0


def _titles(files: Iterable[str]) -> dict[str, str]:
    """The title of each text: the name of its file, or the whole path if several files have the same name."""
    counts = Counter(map(os.path.basename, dict.fromkeys(files)))
    return {path: path if counts[name := os.path.basename(path)] > 1 else name for path in files}


def corpora(
    files: tuple[str, ...], sayings: list[str], reviews: bool, config: 'LectureConfig'
) -> list['Corpus']:
    """Reads the texts of the page.

    Args:
        files: those of `--data`.
        sayings: files of fortune(6) in Spanish, used instead of the film reviews.
        reviews: whether to add the film reviews.
        config: language and length of the texts.

    Raises:
        UserError: a text cannot be read or is too short.
    """
    from vaiven.components.text_example_gen.config import DataConfig
    from vaiven.components.text_example_gen.default_data import default_data
    from vaiven.components.text_example_gen.errors import DownloadError
    from vaiven.components.text_example_gen.reading import read_rows
    from vaiven.models.lecture.corpus import read_lines, read_sayings, split_corpus
    from vaiven.models.lecture.translation import translator
    from vaiven.pipeline.progress_display import PROGRESS

    def lines(path: str) -> list[str]:
        if path.removesuffix('.gz').lower().endswith(('.csv', '.tsv')):
            return [row.text for row in read_rows(path, DataConfig())]
        return read_lines(path)

    translate = translator(config.language)
    texts = {name: lines(path) for path, name in _titles(files).items()}
    if sayings:
        texts[translate('Spanish sayings')] = [text for path in sayings for text in read_sayings(path)]
    elif config.language == 'es' and not texts:
        PROGRESS.info(
            'no Spanish text: the page uses English film reviews; install the Debian package fortunes-es, or add '
            '--data FILE'
        )
    if reviews and not sayings:
        try:
            texts[translate('English film reviews')] = lines(default_data())
        except DownloadError as error:
            if not texts:
                raise
            PROGRESS.info('the film reviews are not available: %s', error)
    split = [split_corpus(name, text, config.max_characters) for name, text in texts.items()]
    for corpus in split:
        PROGRESS.info('%s: %d characters', corpus.name, corpus.characters)
    return split
