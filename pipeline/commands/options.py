"""Options that say what is to be made from which file."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import click

from vaiven.components.text_example_gen import default_data
from vaiven.components.text_example_gen.check import check_file
from vaiven.pipeline.config import PRESETS, Config, configure

_OPTIONS = (
    click.option('--data', metavar='FILE', help='A csv or tsv file with a header, UTF-8.'),
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
    data: str | None,
    preset: str,
    settings: Iterable[str],
    name: str | None,
    text_column: str | None,
    label_column: str | None,
) -> Config:
    defaults = default_data.SETTINGS if data is None else ()
    columns = {'data.text_column': text_column, 'data.label_column': label_column}
    named = [f'{path}={column}' for path, column in columns.items() if column is not None]
    return configure(preset, [*defaults, *settings, *named], name)


def located(data: str | None, config: Config) -> str:
    """The absolute path of the data, after a look at every row: a wrong file is told in a second, not in twenty.

    Raises:
        DataError: where the file cannot be learnt from.
        DownloadError: where there is no data of one's own, and the default data cannot be fetched.
    """
    path = os.path.abspath(data) if data is not None else default_data.default_data()
    check_file(path, config.data)
    return path
