"""Options that say what is to be made from which files."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from vaiven.components.text_example_gen import default_data
from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.data_warnings import warnings_of
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles, found
from vaiven.pipeline.config import PRESETS, Config, configure
from vaiven.pipeline.local_addresses import require_local

_OPTIONS = (
    click.option(
        '--data',
        multiple=True,
        metavar='FILE',
        help='Labelled rows (.csv, .tsv, .jsonl, .parquet) or texts without labels (.txt: files, folders of them, '
        "patterns as 'books/*.txt'); UTF-8, may be gzipped. May be repeated.",
    ),
    click.option(
        '--unlabelled',
        multiple=True,
        metavar='FILE',
        help='More text for the language part: the lines of a .txt file, or the text column of a table. '
        'May be repeated.',
    ),
    click.option('--text-column', metavar='NAME', help='Column with the text; by default text.'),
    click.option('--label-column', metavar='NAME', help='Column with the label; by default label.'),
    click.option('--preset', default='reviews', show_default=True, help=f'One of: {", ".join(PRESETS)}.'),
    click.option(
        '--set',
        'settings',
        multiple=True,
        metavar='SETTING=VALUE',
        help='As training.epochs=3; may be repeated.',
    ),
    click.option('--name', help="Name of the served model; by default the preset's."),
)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def configured(
    data: Sequence[str],
    preset: str,
    settings: Iterable[str],
    name: str | None,
    text_column: str | None,
    label_column: str | None,
) -> Config:
    defaults = default_data.SETTINGS if not data else ()
    columns = {'data.text_column': text_column, 'data.label_column': label_column}
    named = [f'{path}={column}' for path, column in columns.items() if column is not None]
    return configure(preset, [*defaults, *settings, *named], name)


def located(data: Sequence[str], unlabelled: Sequence[str], config: Config) -> tuple[DataFiles, list[str]]:
    """The files, after a look at every row: a wrong file is told in a second, not in twenty.

    Returns:
        The files, and lines for people: what is in the data, what is dropped, and warnings.

    Raises:
        DataError: where they cannot be learnt from.
        DownloadError: where there is no data of one's own, and the default data cannot be fetched.
    """
    data, unlabelled = (
        [require_local(name, option) for name in names]
        for option, names in (('--data', data), ('--unlabelled', unlabelled))
    )
    files = found(data or [default_data.default_data()], unlabelled)
    require_together(files, config)
    summary = check_data(files, config.data)
    return files, [*summary.lines(), *warnings_of(summary, config.data, files)]


def require_together(files: DataFiles, config: Config) -> None:
    """Raises UserError where the files and the settings do not go together."""
    if config.training.task == 'sentiment' and (files.are_texts or config.data.label_column is None):
        raise DataError(
            f'{files.name}: sentiment cannot be learnt without labels; learn language alone with --preset '
            'novel or --set training.task=language, or bring labelled rows with --data, and this with --unlabelled'
        )
