"""`vaiven rollout compare`: the same requests to two versions."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.connecting import wait_for_start
from vaiven.serving.commands.options import VERSION, Seconds, Target, encoding_option, server_options
from vaiven.serving.commands.rollout_options import FILE, base_path_option, folder_of, json_option
from vaiven.serving.commands.text_inputs import printable
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.client import Client
    from vaiven.serving.rollout.paired_requests import Pair
    from vaiven.serving.rollout.requests import Asked

TEXT_CHARACTERS = 70
# Of two versions that do not differ at all, the gates tell after some 1,900 pairs.
MIN_ASKED = 2500


@click.command(short_help='Ask two versions the same requests, and say which is worse.')
@click.option('--new', default='canary', show_default=True, metavar='WHICH', help='A version or a label.')
@click.option('--old', default='stable', show_default=True, metavar='WHICH', help='A version or a label.')
@click.option(
    '--requests',
    metavar='FILE',
    type=FILE,
    help='Rows to ask: .csv .tsv .jsonl .txt, or a .tfrecord log.  [default: the held-out rows of the new version]',
)
@click.option(
    '--log', metavar='PREFIX', type=click.Path(path_type=Path), help='Requests that the server logged.'
)
@click.option(
    '--follow', is_flag=True, help='Go on with what is being logged now, until --limit or --seconds.'
)
@click.option('--text-column', default='text', show_default=True, metavar='NAME')
@click.option('--label-column', metavar='NAME', help='[default: label, where there is one]')
@encoding_option
@click.option(
    '--limit',
    type=click.IntRange(min=1),
    metavar='N',
    help='Ask so many; rows of a file once, then drawn again.  [default: all of a log; of a file 2500 or all]',
)
@click.option('--seconds', type=Seconds(), help='Ask for so long and no longer.')
@click.option('--parallel', type=click.IntRange(1, 64), default=1, show_default=True, help='Pairs at a time.')
@click.option('--examples', type=click.IntRange(min=0), default=5, show_default=True, help='Flips to show.')
@server_options
@base_path_option
@json_option
def compare(
    new: str,
    old: str,
    requests: Path | None,
    log: Path | None,
    follow: bool,
    text_column: str,
    label_column: str | None,
    encoding: str | None,
    limit: int | None,
    seconds: float | None,
    parallel: int,
    examples: int,
    target: Target,
    base_path: str | None,
    as_json: bool,
) -> None:
    """Ask two versions the same requests: agreement, accuracy, drift, errors, latency, and a verdict.

    Intervals hold with 95 % each; those of shares and means hold however often one looks. Exit status 1 where the new
    version is worse, 3 where that cannot be told from so few requests. Without --requests and --log, the requests are
    the rows that the run of the new version held out (its split `test`).

    \b
    Examples:
      vaiven rollout compare
      vaiven rollout compare --requests held-out.csv
      vaiven rollout compare --old 3 --new 4 --log /logs/reviews --follow
    """
    if requests is not None and log is not None:
        raise click.UsageError('give --requests or --log, and not both')
    if base_path is not None and (requests is not None or log is not None):
        raise click.UsageError(
            '--base-path tells where the held-out rows are: leave --requests and --log out'
        )
    if requests is None and (label_column is not None or text_column != 'text'):
        raise click.UsageError('--text-column and --label-column go with --requests, a table')
    if follow and log is None:
        raise click.UsageError('--follow goes with --log')
    if follow and limit is None and seconds is None:
        raise click.UsageError('--follow takes --limit or --seconds: the log has no end')
    model = target.model
    wait_for_start(target)
    from vaiven.serving.rollout import serving_folder
    from vaiven.serving.rollout.compare import BETTER_OR_EQUAL, WORSE, Comparison
    from vaiven.serving.rollout.paired_requests import pairs
    from vaiven.serving.rollout.request_tables import Columns, model_labels
    from vaiven.serving.rollout.requests import Log, read, sampled

    rows = None
    if requests is not None:
        base = serving_folder.newest(model)
        labels = model_labels(base, serving_folder.versions(base) if base is not None else [])
        remarks: list[str] = []
        rows = read(requests, model, Columns(text_column, label_column, encoding), labels, remarks)
        for line in remarks:
            terminal.say(line, err=True)
    comparison = Comparison()
    with target.client() as client:
        versions = [_version(client, model, which) for which in (old, new)]
        if versions[0] == versions[1]:
            raise ServingError(f'{old} and {new} are both version {versions[0]}: name two versions')
        asking: Iterable[Asked | None]
        if log is not None:
            asking = Log(log, model, follow).requests()
        else:
            rows = rows or _held_out(model, base_path, versions[1])
            if limit is None and seconds is None:
                limit = max(len(rows), MIN_ASKED)
            random.shuffle(rows)
            asking = chain(rows, sampled(rows))
        asked = until(asking, limit, seconds)
        for pair in pairs(client, model, asked, versions[0], versions[1], parallel=parallel):
            if pair is not None:
                comparison.add(_served(pair, versions))
    report = {'model': model, 'old': versions[0], 'new': versions[1], **comparison.report(examples)}
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        for line in lines(report):
            terminal.say(line)
    if report['verdict'] != BETTER_OR_EQUAL:
        raise click.exceptions.Exit(1 if report['verdict'] == WORSE else 3)


def _held_out(model: str, base_path: str | None, version: int) -> list[Asked]:
    """The rows that the run of a version held out. Raises ServingError where they are not there."""
    from vaiven.serving.rollout import held_out

    try:
        folder = held_out.folder_of(folder_of(model, base_path), version)
        rows = held_out.requests(folder)
    except ServingError as error:
        raise ServingError(f'{error}; or give --requests or --log') from error
    terminal.say(
        f'requests: {len(rows):,} rows that the run of version {version} held out ({folder})', err=True
    )
    return rows


def until(asking: Iterable[Asked | None], limit: int | None, seconds: float | None) -> Iterator[Asked | None]:
    """At most so many of them, for at most so long."""
    ends = None if seconds is None else time.monotonic() + seconds
    count = 0
    for asked in asking:
        if ends is not None and time.monotonic() >= ends:
            return
        yield asked
        count += asked is not None
        if count == limit:
            return


def _version(client: Client, model: str, which: str) -> int:
    """The version that a number or a label names. Raises ServingError where there is none."""
    from vaiven.serving.rollout.server_state import label_version

    if which.isascii() and which.isdecimal():
        number: int = VERSION(which)
        client.metadata(model, version=number)
        return number
    found = label_version(client, model, which)
    if found is None:
        raise ServingError(
            f'model {model!r} has no label {which!r}: name a version, or see `vaiven rollout status`'
        )
    return found


def _served(pair: Pair, versions: list[int]) -> Pair:
    """The pair; raises ServingError where the server is not there, which is no version's fault."""
    if pair.old.code == pair.new.code == 'UNAVAILABLE':
        raise ServingError(f'the server went away while versions {versions[0]} and {versions[1]} were asked')
    return pair


def lines(report: dict[str, Any]) -> Iterator[str]:
    """The report for people."""
    yield (
        f'{report["model"]}: version {report["new"]} against version {report["old"]}, '
        f'{report["requests"]:,} requests'
    )
    if report['agreement']:
        yield f'  agreement     {_percent(report["agreement"])}, {report["flips"]:,} flips'
    accuracy = report['accuracy']
    if accuracy['labelled']:
        yield (
            f'  accuracy      {accuracy["new"]:.1%} against {accuracy["old"]:.1%} of {accuracy["labelled"]:,}, '
            f'difference {_percent(accuracy["difference"], "+")}'
        )
    if report['drift']:
        yield f'  score drift   {_percent(report["drift"], "+")}'
    errors = report['errors']
    if report['requests']:
        yield (
            f'  failed        {errors["new"]:.2%} against {errors["old"]:.2%}, '
            f'difference {_percent(errors["difference"], "+")}'
        )
    for name, figures in (report['latency_ms'] or {}).items():
        ratio = figures['ratio']
        yield (
            f'  {name} latency   {figures["new"]["estimate"]:.2f} ms against {figures["old"]["estimate"]:.2f} ms, '
            f'ratio {ratio["estimate"]:.2f} [{ratio["interval"][0]:.2f}, {ratio["interval"][1]:.2f}]'
        )
    for each in errors['most_frequent']:
        yield f'  {each["count"]:,} times from the {each["version"]} one: {printable(each["error"], 100)}'
    for flip in report['examples']:
        yield f'  {flip["old"]} → {flip["new"]}{_truth(flip)}  {printable(flip["text"], TEXT_CHARACTERS)}'
    yield _conclusion(report)


def _conclusion(report: dict[str, Any]) -> str:
    from vaiven.serving.rollout.compare import NAMES

    if report['verdict'] == 'worse':
        return f'worse: {"; ".join(NAMES[gate] for gate in report["because"])}'
    if report['verdict'] != 'undecided':
        return 'not worse, within the limits of all gates'
    if not report['answered_by_both']:
        return 'undecided: no request was answered by both versions'
    notes = {each['gate']: each['note'] for each in report['gates']}
    told = [f'{gate}: {notes[gate]}' if notes[gate] else gate for gate in report['because']]
    return f'undecided: too few requests to tell ({", ".join(told)}); ask more, with --limit or --seconds'


def _truth(flip: dict[str, Any]) -> str:
    return '' if flip['truth'] is None else f' ({"right" if flip["truth"] == flip["new"] else "wrong"} now)'


def _percent(figures: dict[str, Any], sign: str = '') -> str:
    low, high = figures['interval']
    return f'{figures["estimate"]:{sign}.2%} [{low:{sign}.2%}, {high:{sign}.2%}]'
