"""`vaiven export`: writes the examples of a run as a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from vaiven.serving.commands.options import MODEL, VERSION, Utf8
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path
from vaiven.serving.common.model_labels import joined

if TYPE_CHECKING:
    from vaiven.serving.rollout.held_out import Row

SPLITS = ('train', 'eval', 'test', 'unlabelled')
FORMATS = ('.csv', '.tsv', '.jsonl')


@click.command()
@click.argument('file', type=Utf8())
@click.option('--split', type=click.Choice(SPLITS), default='test', show_default=True, help='Split to write.')
@click.option(
    '--name',
    type=Utf8(),
    help=f'Name of the model.  [default: the model of the run, or {MODEL} if it has several]',
)
@click.option(
    '--root',
    type=Utf8(),
    metavar='DIR',
    help='Folder of the run.  [default: the newest below vaiven-runs]',
)
@click.option(
    '--version', type=VERSION, metavar='N', help='Version whose run is used.  [default: the newest]'
)
def export(file: str, split: str, name: str | None, root: str | None, version: int | None) -> None:
    """Write the rows of a split to FILE, a .csv, .tsv or .jsonl file.

    The columns are text, label and the other columns of the examples (group, language, rating, position). Labels are
    written as the names of the classes, which `vaiven rollout compare` and `vaiven run --data` read. Several labels of
    a row are written with the separator of the run between them. An existing FILE is replaced.

    \b
    Examples:
      # Write the held-out rows of the newest version
      vaiven export --split test held-out.csv
    \b
      # Write the training rows of version 3 of the model `shop`
      vaiven export --split train --name shop --version 3 train.jsonl
    """
    path = local_path(file, 'FILE', 'file')
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise click.UsageError(f'FILE must end in {", ".join(FORMATS)}. Received: {path.name}')
    from vaiven.serving.common import files
    from vaiven.serving.rollout import held_out, serving_folder

    base_path = _base_path(name, None if root is None else local_path(root, '--root'))
    pushed = serving_folder.versions(base_path)
    if version is not None and version not in pushed:
        raise ServingError(f'{base_path} has no version {version}; it has: {", ".join(map(str, pushed))}')
    chosen = pushed[0] if version is None else version
    folder, labels = held_out.examples_folder(base_path, chosen), held_out.labels_of(base_path, chosen)
    rows = list(held_out.rows(folder, split, labels.spec))
    if not rows:
        raise ServingError(
            f'split {split!r} of the run of version {chosen} has no rows: choose another with --split'
        )
    files.replace_with(path, lambda stream: _write(stream, ending, rows, labels.separator))
    terminal.say(f'{path}: {len(rows):,} rows, split {split} of the run of version {chosen} in {base_path}')


def _base_path(name: str | None, root: Path | None) -> Path:
    """Returns the folder with the versions. Raises ServingError if there is none, or several and no name."""
    from vaiven.serving.rollout import serving_folder

    if root is None:
        newest = serving_folder.newest() if name is None else serving_folder.newest(name)
        if newest is None:
            of_model = '' if name is None else f' of {name!r}'
            raise ServingError(
                f'there is no pushed model{of_model} below {serving_folder.RUNS}: '
                'run `vaiven run`, or name the folder of a run with --root'
            )
        return newest
    serving = root.absolute() / 'serving'
    models = (
        sorted(path for path in serving.glob('*') if serving_folder.versions(path))
        if serving.is_dir()
        else []
    )
    chosen = [path for path in models if path.name == name] if name is not None else models
    if len(chosen) > 1:
        chosen = [path for path in models if path.name == MODEL]
    if not chosen:
        names = ', '.join(path.name for path in models) or 'none'
        raise ServingError(
            f'{serving} has no such model with a version; it has: {names}. Choose one with --name'
        )
    return chosen[0]


def _write(stream: TextIO, ending: str, rows: list[Row], separator: str) -> None:
    columns = _columns(rows)
    if ending == '.jsonl':
        stream.writelines(
            json.dumps({name: row.get(name) for name in columns}, ensure_ascii=False) + '\n' for row in rows
        )
    elif ending == '.csv':
        # All fields are quoted, so that every reader keeps line breaks and white space in a text.
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator='\n')
        writer.writerow(columns)
        writer.writerows([_field(row.get(name, ''), separator) for name in columns] for row in rows)
    else:
        stream.writelines(_tab_separated(columns, [columns]))
        stream.writelines(
            _tab_separated(
                columns, ([_field(row.get(name, ''), separator) for name in columns] for row in rows)
            )
        )


def _field(value: Any, separator: str) -> Any:
    """Returns a value as a field of a table without lists."""
    if not isinstance(value, list):
        return value
    return joined(value, separator) if all(isinstance(item, str) for item in value) else json.dumps(value)


def _columns(rows: list[Row]) -> list[str]:
    """Returns `text`, `label`, and the other columns of any row."""
    return list(dict.fromkeys(['text', 'label', *sorted({name for row in rows for name in row})]))


def _tab_separated(columns: list[str], table: Iterable[list[Any]]) -> Iterable[str]:
    """Yields the lines of a .tsv file. Raises ServingError for a tab or line break in a field: it has no quoting."""
    for number, fields in enumerate(table, 1):
        for name, value in zip(columns, map(str, fields), strict=True):
            if len(value.splitlines()) > 1 or '\t' in value or value != value.rstrip('\r\n'):
                raise ServingError(
                    f'row {number} has a tab or a line break in {name!r}, which a .tsv file cannot store: '
                    'write a .csv or .jsonl file'
                )
        yield '\t'.join(map(str, fields)) + '\n'
