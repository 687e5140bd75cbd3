"""`vaiven init`."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from vaiven.atomic import replacing
from vaiven.errors import UserError
from vaiven.pipeline.config import DEFAULT_PRESET, configure
from vaiven.pipeline.initial_settings import InitialSettings, default_settings, find_settings, model_name
from vaiven.pipeline.local_addresses import require_local_path
from vaiven.pipeline.settings_template import settings_template, yaml_value
from vaiven.pipeline.settings_update import outdated_settings, replace_values
from vaiven.serving.common import terminal

_STANDARD_OUTPUT = '-'


@click.command()
@click.argument('file', required=False, metavar='[FILE]')
@click.option(
    '--data',
    multiple=True,
    metavar='FILE',
    help='The data to look at, as for `vaiven run`. Can be repeated.',
)
@click.option('--text-column', metavar='NAME', help='Column with the text.  [default: the longest]')
@click.option(
    '--label-column', metavar='NAME', help='Column with the label.  [default: found by name and values]'
)
@click.option(
    '--set',
    'settings',
    multiple=True,
    metavar='SETTING=VALUE',
    help='A setting of the file, as data.encoding=cp1252. Can be repeated.',
)
@click.option('--name', help='Name of the served model.  [default: that of the data file]')
@click.option('--force', is_flag=True, help='Overwrite FILE if it exists.')
@click.option(
    '--update',
    is_flag=True,
    help='Change only the values of FILE that do not fit the data. Comments and all else stay as they are.',
)
def init(
    file: str | None,
    data: tuple[str, ...],
    text_column: str | None,
    label_column: str | None,
    settings: tuple[str, ...],
    name: str | None,
    force: bool,
    update: bool,
) -> int:
    """Write a commented file of settings for `vaiven run --config`.

    With --data, the columns of the data, the kind of its labels and its classes are found and written. FILE is the
    YAML file to write, or - for standard output; by default it has the name of the data file.

    \b
    Examples:
      vaiven init --data reviews.csv shop.yaml
      vaiven run --config shop.yaml --data reviews.csv
      vaiven init --data next-week.csv --update shop.yaml
    """
    path = _output_path(file, data)
    if update:
        if text_column or label_column or settings or name or force:
            raise click.UsageError('--update takes only --data and FILE; change other settings in the file')
        return _update(path, data)
    if path != _STANDARD_OUTPUT and os.path.lexists(path) and not force:
        raise UserError(
            f'{path} exists already: choose another name, change only the values that do not fit the data with '
            '--update, or overwrite it with --force'
        )
    named = {'text': text_column, 'label': label_column}
    columns = {part: column for part, column in named.items() if column is not None}
    if data:
        found = find_settings(data, settings, columns, name)
    else:
        columns_set = [f'data.{part}_column={column}' for part, column in columns.items()]
        found = default_settings([*settings, *columns_set], name)
    content = _content(found, path, data)
    if path == _STANDARD_OUTPUT:
        click.echo(content, nl=False)
    else:
        _write(path, content)
    written = [] if path == _STANDARD_OUTPUT else [f'wrote {path}']
    _print_next([*found.lines, *written], path, data)
    return 0


def _output_path(file: str | None, data: tuple[str, ...]) -> str:
    if file == _STANDARD_OUTPUT:
        return file
    if file is None:
        return f'{model_name(data[0]) if data else DEFAULT_PRESET}.yaml'
    path = require_local_path(file, 'FILE')
    if os.path.isdir(path):
        raise UserError(f'{path} is a folder; name the file to write')
    return path


def _content(found: InitialSettings, path: str, data: tuple[str, ...]) -> str:
    head = [
        'Settings for vaiven run --config, written by vaiven init. A line like #epochs: 5 shows a default: remove the '
        '# to change it. All settings: docs/settings.md.',
        *found.head,
    ]
    return settings_template(configure(found.preset), found.active, found.suggestions, found.notes, head)


def _update(path: str, data: tuple[str, ...]) -> int:
    """Changes the values of the file that do not fit the data."""
    if not data:
        raise click.UsageError('--update needs the new data: add --data FILE')
    if path == _STANDARD_OUTPUT:
        raise click.UsageError('--update needs the name of a file')
    changes, lines = outdated_settings(path, data)
    if not changes:
        _print_next([*lines, f'{path} fits the data; nothing is changed'], path, data)
        return 0
    content = Path(path).read_bytes().decode()
    mark = content[: content.startswith('\ufeff')]
    _write(path, mark + replace_values(content.removeprefix('\ufeff'), changes, path))
    lines += [f'changed: {setting}: {yaml_value(value)}' for setting, value in changes.items()]
    _print_next(lines, path, data)
    return 0


def _write(path: str, content: str) -> None:
    try:
        with replacing(path) as stream:
            stream.write(content)
    except OSError as error:
        raise UserError(f'cannot write {path}: {error.strerror}; choose another name') from error


def _print_next(lines: Sequence[str], path: str, data: tuple[str, ...]) -> None:
    """Prints what was found, and what to run next, on standard error if the file is on standard output."""
    to_stderr = path == _STANDARD_OUTPUT
    options = [
        '--config',
        'FILE' if to_stderr else path,
        *(word for name in data for word in ('--data', name)),
    ]
    lines = [
        *lines,
        f'next, to check the settings:  {shlex.join(["vaiven", "plan", *options])}',
        f'and to train the model:       {shlex.join(["vaiven", "run", *options])}',
    ]
    for line in lines:
        click.echo(terminal.folded(line, sys.stderr if to_stderr else sys.stdout), err=to_stderr)
