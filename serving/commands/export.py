"""`vaiven export`: writes the examples of a run as a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

import click

from vaiven.serving.commands.options import Utf8
from vaiven.serving.commands.pushed_models import PushedChoice, pushed_options
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
@pushed_options
def export(file: str, split: str, pushed: PushedChoice) -> None:
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
    from vaiven.serving.rollout import held_out

    model = pushed.find()
    base_path, chosen = model.folder, model.version
    folder, labels = held_out.examples_folder(base_path, chosen), held_out.labels_of(base_path, chosen)
    rows = list(held_out.rows(folder, split, labels.spec))
    if not rows:
        raise ServingError(
            f'split {split!r} of the run of version {chosen} has no rows: choose another with --split'
        )
    files.replace_with(path, lambda stream: _write(stream, ending, rows, labels.separator))
    terminal.say(f'{path}: {len(rows):,} rows, split {split} of the run of version {chosen} in {base_path}')


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
