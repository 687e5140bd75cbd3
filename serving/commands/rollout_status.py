"""`vaiven rollout status`: what is served, who gets it, and where it came from."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.connecting import wait_for_start
from vaiven.serving.commands.options import Target, server_options
from vaiven.serving.commands.rollout_options import (
    FILE,
    base_path_option,
    folder_of,
    json_option,
    split_option,
)
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.rollout.lineage import Origin

HEADS = ('version', 'state', 'labels', 'traffic', 'accuracy', 'rows', 'data', 'run')
RUN_CHARACTERS = len('2026-01-31T12:00')


@click.command('status', short_help='Show the versions on the server: states, labels, traffic, origin.')
@server_options
@base_path_option
@split_option
@click.option(
    '--metadata',
    metavar='FILE',
    type=FILE,
    help='The metadata store of the pipeline.  [default: metadata.sqlite of the run that the folder belongs to]',
)
@json_option
def show_status(
    target: Target,
    base_path: str | None,
    split_path: Path | None,
    metadata: Path | None,
    as_json: bool,
) -> None:
    """Show the versions on the server and in the folder: states, labels, shares of traffic, and origin.

    The state is - for a version that was pushed and not loaded. Traffic is what clients and gateways that watch the
    split send to a version.

    \b
    Example:
      vaiven rollout status --json
    """
    model = target.model
    wait_for_start(target)
    with target.client() as client:
        from vaiven.serving.rollout.server_state import status

        now = status(client, model)
    base, notes = _folder(model, base_path, required=metadata is not None)
    weights = _weights(model, base, split_path, notes)
    origins = _origins(base, metadata, notes)
    notes += [f'version {version}: {origin.problem}' for version, origin in origins.items() if origin.problem]
    rows: list[dict[str, Any]] = []
    states = {each.version: each for each in now.versions}
    for version in sorted({*states, *(_pushed(base, set(states)) if base else ())}, reverse=True):
        labels = [label for label, number in now.labels.items() if number == version]
        rows.append(
            {
                'version': version,
                'state': states[version].state if version in states else '-',
                'labels': labels,
                'percent': sum(weights.get(label, 0.0) for label in labels),
                'origin': dataclasses.asdict(origins[version]) if version in origins else None,
                'error': states[version].error if version in states else '',
            }
        )
    lost = [label for label, share in weights.items() if share and label not in now.labels]
    if lost and now.labels:
        notes.append(f'{weights[lost[0]]:.10g} % of the traffic asks for {lost[0]}, which names no version')
    if now.stable is None:
        notes.append(_no_stable(now.available, now.loading))
    if as_json:
        told: dict[str, Any] = {'model': model, 'server': target.server, 'versions': rows, 'notes': notes}
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    terminal.say(f'{model} on {target.server}')
    for line in _table([_cells(row, origins.get(row['version'])) for row in rows]):
        terminal.say(line)
    for note in notes:
        terminal.say(note)


def _no_stable(available: list[int], loading: list[int]) -> str:
    makes = '`vaiven rollout promote VERSION` makes one so'
    if len(available) == 1 and not loading:
        return (
            f'no version is stable: version {available[0]} is served alone, and becomes stable with the first canary '
            f'beside it; {makes} now'
        )
    if available:
        return (
            'no version is stable: `vaiven rollout canary VERSION` makes the newest other loaded version so, '
            f'and {makes}'
        )
    return f'no version is stable: {makes}'


def _folder(model: str, base_path: str | None, required: bool) -> tuple[Path | None, list[str]]:
    try:
        return folder_of(model, base_path), []
    except ServingError:
        if required or base_path is not None:
            raise
        return None, []  # the server is elsewhere: it can be asked nevertheless


def _pushed(base: Path, served: set[int]) -> list[int]:
    """Versions on disk, if this is the folder that is served."""
    from vaiven.serving.rollout import serving_folder

    found = serving_folder.versions(base)
    return found if served & set(found) or not served else []


def _weights(model: str, base: Path | None, split_path: Path | None, notes: list[str]) -> dict[str, float]:
    from vaiven.serving.common import split

    path = split_path or (base / split.FILE if base else None)
    try:
        found = split.find(path) if path is not None else None
        if found is not None and found.model == model:
            return dict(found.weights)
        if found is not None:
            notes.append(f'{path} is about {found.model!r}, not {model!r}')
    except ServingError as error:
        notes.append(str(error))
    return dict(split.Split(model).weights)


def _origins(base: Path | None, metadata: Path | None, notes: list[str]) -> dict[int, Origin]:
    from vaiven.serving.rollout import lineage

    if base is None:
        return {}
    store = metadata or lineage.store_of(base)
    if metadata is None and not os.path.exists(store):
        return {}
    try:
        return lineage.origins(store, base)
    except ServingError as error:
        if metadata is not None:
            raise
        notes.append(str(error))
        return {}


def _cells(row: dict[str, Any], origin: Origin | None) -> list[str]:
    percent = f'{row["percent"]:.10g} %' if row['percent'] else ''
    cells = [str(row['version']), row['state'], ' '.join([*row['labels'], row['error']]).strip(), percent]
    if origin is None:
        return [*cells, '', '', '', '']
    accuracy = origin.metrics.get('binary_accuracy')
    return [
        *cells,
        '' if accuracy is None else f'{accuracy:.1%}',
        '' if origin.rows is None else f'{origin.rows:,}',
        ' '.join(origin.data),
        origin.run[:RUN_CHARACTERS],
    ]


def _table(rows: list[list[str]]) -> list[str]:
    """Lines in which columns that are empty throughout are left out."""
    shown = [place for place in range(len(HEADS)) if any(row[place] for row in rows)]
    lines = [[HEADS[place] for place in shown], *([row[place] for place in shown] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(shown))]
    return ['  ' + '  '.join(map(str.ljust, line, widths)).rstrip() for line in lines]
