"""`vaiven rollout status`: shows versions, labels, traffic and origin."""

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
    json_option,
    serving_folder_path,
    split_option,
)
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.rollout.lineage import Origin

COLUMNS = ('version', 'state', 'labels', 'traffic', 'accuracy', 'macro-F1', 'rows', 'data', 'run')
RUN_CHARACTERS = len('2026-01-31T12:00')


@click.command('status', short_help='Show versions, labels, traffic and origin.')
@server_options
@base_path_option
@split_option
@click.option(
    '--metadata',
    metavar='FILE',
    type=FILE,
    help='Metadata store of the pipeline.  [default: metadata.sqlite of the run of the folder]',
)
@json_option
def show_status(
    target: Target,
    base_path: str | None,
    split_path: Path | None,
    metadata: Path | None,
    as_json: bool,
) -> None:
    """Show the versions on the server and in its folder: state, labels, traffic and origin.

    The state of a version that is not loaded is `-`. Traffic is the share that clients and gateways which follow the
    split file send to a version.

    \b
    Examples:
      # Show the versions of the model `reviews`
      vaiven rollout status
    \b
      # Show all metrics of each version as JSON
      vaiven rollout status --json
    """
    model = target.model
    wait_for_start(target)
    with target.client() as client:
        from vaiven.serving.rollout.server_state import model_state

        state = model_state(client, model)
    base, notes = _folder(model, base_path, required=metadata is not None)
    weights = _weights(model, base, split_path, notes)
    origins = _origins(base, metadata, notes)
    notes += [f'version {version}: {origin.problem}' for version, origin in origins.items() if origin.problem]
    rows: list[dict[str, Any]] = []
    states = {status.version: status for status in state.versions}
    for version in sorted({*states, *(_pushed(base, set(states)) if base else ())}, reverse=True):
        labels = [label for label, labelled in state.labels.items() if labelled == version]
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
    lost = [label for label, share in weights.items() if share and label not in state.labels]
    if lost and state.labels:
        notes.append(f'{weights[lost[0]]:.10g} % of the traffic asks for {lost[0]}, which names no version')
    if state.stable is None:
        notes.append(_no_stable(state.available, state.loading))
    if as_json:
        values: dict[str, Any] = {'model': model, 'server': target.server, 'versions': rows, 'notes': notes}
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    terminal.say(f'{model} on {target.server}')
    for line in _table([_cells(row, origins.get(row['version'])) for row in rows]):
        terminal.say(line)
    for note in notes:
        terminal.say(note)


def _no_stable(available: list[int], loading: list[int]) -> str:
    promote = '`vaiven rollout promote VERSION` makes a version stable'
    if len(available) == 1 and not loading:
        return (
            f'no version is stable: version {available[0]} is the only available version, and becomes stable with the '
            f'first canary; {promote} now'
        )
    if available:
        return (
            'no version is stable: `vaiven rollout canary VERSION` gives the label to the newest other loaded version, '
            f'and {promote}'
        )
    return f'no version is stable: {promote}'


def _folder(model: str, base_path: str | None, required: bool) -> tuple[Path | None, list[str]]:
    try:
        return serving_folder_path(model, base_path), []
    except ServingError:
        if required or base_path is not None:
            raise
        return None, []  # the server is on another machine: its versions and labels can be shown nevertheless


def _pushed(base: Path, served: set[int]) -> list[int]:
    """Returns the versions on disk; empty if the server serves another folder."""
    from vaiven.serving.rollout import serving_folder

    pushed = serving_folder.versions(base)
    return pushed if served & set(pushed) or not served else []


def _weights(model: str, base: Path | None, split_path: Path | None, notes: list[str]) -> dict[str, float]:
    from vaiven.serving.common import split

    path = split_path or (base / split.FILE if base else None)
    try:
        current = split.find(path) if path is not None else None
        if current is not None and current.model == model:
            return dict(current.weights)
        if current is not None:
            notes.append(f'{path} is the split of model {current.model!r}, not {model!r}')
    except ServingError as error:
        notes.append(str(error))
    return dict(split.Split(model).weights)


def _origins(base: Path | None, metadata: Path | None, notes: list[str]) -> dict[int, Origin]:
    from vaiven.serving.rollout import lineage

    if base is None:
        return {}
    store = metadata or lineage.store_path(base)
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
        return [*cells, '', '', '', '', '']
    accuracy = origin.metrics.get('binary_accuracy', origin.metrics.get('accuracy'))
    # Of two classes, the accuracy says enough.
    macro_f1 = None if 'binary_accuracy' in origin.metrics else origin.metrics.get('macro_f1')
    return [
        *cells,
        '' if accuracy is None else f'{accuracy:.1%}',
        '' if macro_f1 is None else f'{macro_f1:.3f}',
        '' if origin.rows is None else f'{origin.rows:,}',
        ' '.join(origin.data),
        origin.run[:RUN_CHARACTERS],
    ]


def _table(rows: list[list[str]]) -> list[str]:
    """Returns the lines of a table without its empty columns."""
    shown = [index for index in range(len(COLUMNS)) if any(row[index] for row in rows)]
    lines = [[COLUMNS[index] for index in shown], *([row[index] for index in shown] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(shown))]
    return ['  ' + '  '.join(map(str.ljust, line, widths)).rstrip() for line in lines]
