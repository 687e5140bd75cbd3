"""`vaiven rollout compare`: compares two versions on the same requests."""

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
from vaiven.serving.commands.rollout_options import FILE, base_path_option, json_option, serving_folder_path
from vaiven.serving.commands.text_inputs import printable
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.client import Client
    from vaiven.serving.rollout.answers import Pair
    from vaiven.serving.rollout.request_tables import Columns
    from vaiven.serving.rollout.requests import Request

MAX_TEXT_CHARACTERS = 70
# The gates need about 1,900 pairs to pass an identical version.
MIN_REQUESTS = 2500


@click.command(short_help='Compare two versions on the same requests.')
@click.option(
    '--new', default='canary', show_default=True, metavar='VERSION', help='Version or label to test.'
)
@click.option(
    '--old', default='stable', show_default=True, metavar='VERSION', help='Version or label to compare with.'
)
@click.option(
    '--requests',
    metavar='FILE',
    type=FILE,
    help='Requests: .csv .tsv .jsonl .txt, or a .tfrecord log.  [default: the held-out rows of the new version]',
)
@click.option(
    '--log',
    metavar='PREFIX',
    type=click.Path(path_type=Path),
    help='Request log of the server, instead of --requests.',
)
@click.option('--follow', is_flag=True, help='Follow the log until --limit or --seconds.')
@click.option(
    '--text-column', default='text', show_default=True, metavar='NAME', help='Column with the texts.'
)
@click.option(
    '--label-column', metavar='NAME', help='Column with the labels.  [default: label, if there is one]'
)
@encoding_option
@click.option(
    '--limit',
    type=click.IntRange(min=1),
    metavar='N',
    help='Number of requests; rows of a file are repeated if necessary.  '
    '[default: all of a log; all of a file, at least 2500]',
)
@click.option('--seconds', type=Seconds(), metavar='SECONDS', help='Maximum duration.')
@click.option(
    '--parallel', type=click.IntRange(1, 64), default=1, show_default=True, help='Concurrent pairs.'
)
@click.option(
    '--examples', type=click.IntRange(min=0), default=5, show_default=True, help='Changed decisions to show.'
)
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
    """Send the same requests to two versions and compare agreement, accuracy, drift, errors and latency.

    The default requests are the rows that the run of the new version held out, its split `test`. All intervals are
    95 % confidence intervals. The exit status is 0 if the new version is not worse, 1 if it is worse, and 3 if there
    are too few requests to decide.

    \b
    Examples:
      # Compare the canary with the stable version on held-out rows
      vaiven rollout compare
    \b
      # Use the rows of a table; its column `label` gives the accuracy
      vaiven rollout compare --requests held-out.csv
    \b
      # Compare the canary with the stable version on live traffic for ten minutes
      vaiven rollout compare --log logs/reviews --follow --seconds 600
    """
    if requests is not None and log is not None:
        raise click.UsageError('--requests and --log exclude each other: use one of them')
    if base_path is not None and (requests is not None or log is not None):
        raise click.UsageError('--base-path is for held-out rows: use it without --requests and --log')
    if requests is None and (label_column is not None or text_column != 'text'):
        raise click.UsageError('--text-column and --label-column require --requests with a table')
    if follow and log is None:
        raise click.UsageError('--follow requires --log')
    if follow and limit is None and seconds is None:
        raise click.UsageError('--follow requires --limit or --seconds: the log has no end')
    model = target.model
    wait_for_start(target)
    from vaiven.serving.rollout.compare import NOT_WORSE, WORSE, Comparison
    from vaiven.serving.rollout.paired_requests import pairs
    from vaiven.serving.rollout.request_tables import Columns
    from vaiven.serving.rollout.requests import RequestLog, sample

    comparison = Comparison()
    with target.client() as client:
        versions = [_version(client, model, which) for which in (old, new)]
        if versions[0] == versions[1]:
            raise ServingError(f'{old} and {new} are both version {versions[0]}: name two different versions')
        source: Iterable[Request | None]
        if log is not None:
            source = RequestLog(log, model, follow).requests()
        else:
            if requests is not None:
                rows = _table(client, model, versions, requests, Columns(text_column, label_column, encoding))
            else:
                rows = _held_out(model, base_path, versions[1])
            if limit is None and seconds is None:
                limit = max(len(rows), MIN_REQUESTS)
            # Files are often sorted by label: with --limit, the first rows would not represent the file.
            random.shuffle(rows)
            source = chain(rows, sample(rows))
        limited_source = limited(source, limit, seconds)
        for pair in pairs(client, model, limited_source, versions[0], versions[1], parallel=parallel):
            if pair is not None:
                comparison.add(_require_server(pair, versions))
    report = {'model': model, 'old': versions[0], 'new': versions[1], **comparison.report(examples)}
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        for line in report_lines(report):
            terminal.say(line)
    if report['verdict'] != NOT_WORSE:
        raise click.exceptions.Exit(1 if report['verdict'] == WORSE else 3)


def _table(client: Client, model: str, versions: list[int], path: Path, columns: Columns) -> list[Request]:
    """Returns the rows of a table with the labels of the new version, and says what is irregular in it.

    Raises:
        ServingError: the table cannot be read.
    """
    from vaiven.serving.rollout import serving_folder
    from vaiven.serving.rollout.requests import read_requests
    from vaiven.serving.rollout.version_labels import compared_labels

    labels = compared_labels(client, model, serving_folder.newest(model), *versions)
    remarks: list[str] = []
    rows = read_requests(path, model, columns, labels, remarks)
    for line in remarks:
        terminal.say(line, err=True)
    return rows


def _held_out(model: str, base_path: str | None, version: int) -> list[Request]:
    """Returns the rows that the run of a version held out.

    Raises:
        ServingError: they cannot be found.
    """
    from vaiven.serving.rollout import held_out

    try:
        base = serving_folder_path(model, base_path)
        folder = held_out.examples_folder(base, version)
        rows = held_out.requests(folder, held_out.labels_of(base, version).spec)
    except ServingError as error:
        raise ServingError(f'{error}; or use --requests or --log') from error
    terminal.say(
        f'requests: {len(rows):,} rows that the run of version {version} held out ({folder})', err=True
    )
    return rows


def limited(
    source: Iterable[Request | None], limit: int | None, seconds: float | None
) -> Iterator[Request | None]:
    """Yields requests until a limit is reached.

    Args:
        source: the requests; None is passed on and not counted.
        limit: maximum number; None for no limit.
        seconds: maximum duration; None for no limit.
    """
    ends = None if seconds is None else time.monotonic() + seconds
    count = 0
    for request in source:
        if ends is not None and time.monotonic() >= ends:
            return
        yield request
        count += request is not None
        if count == limit:
            return


def _version(client: Client, model: str, name: str) -> int:
    """Returns the version that a number or a label names. Raises ServingError if there is none."""
    from vaiven.serving.rollout.server_state import label_version

    if name.isascii() and name.isdecimal():
        number: int = VERSION(name)
        client.metadata(model, version=number)
        return number
    version = label_version(client, model, name)
    if version is None:
        raise ServingError(
            f'model {model!r} has no label {name!r}: name a version, or see `vaiven rollout status`'
        )
    return version


def _require_server(pair: Pair, versions: list[int]) -> Pair:
    """Returns the pair. Raises ServingError if the server was away: that is not a fault of a version."""
    if pair.old.code == pair.new.code == 'UNAVAILABLE':
        raise ServingError(
            f'the server went away during the comparison of versions {versions[0]} and {versions[1]}'
        )
    return pair


def report_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yields the report as lines of text."""
    from vaiven.serving.rollout.class_report import class_lines, text

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
            + (' (mean Jaccard index of the classes of a row)' if accuracy['of_sets'] else '')
        )
    if drift := report['drift']:
        of_class = f' of {text(drift["class"])}, the largest' if drift['class'] else ''
        yield f'  score drift   {_percent(drift, "+")}{of_class}'
    for line in class_lines(report):
        yield f'  {line}'
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
    for error in errors['most_frequent']:
        yield (
            f'  {error["count"]:,} times from the {error["version"]} version: {printable(error["error"], 100)}'
        )
    for flip in report['examples']:
        changed = f'{text(flip["old"])} → {text(flip["new"])}{_correctness(flip)}'
        yield f'  {changed}  {printable(flip["text"], MAX_TEXT_CHARACTERS)}'
    yield _conclusion(report)


def _conclusion(report: dict[str, Any]) -> str:
    from vaiven.serving.rollout.compare import FAILURES

    if report['verdict'] == 'worse':
        return f'worse: {"; ".join(FAILURES[gate] for gate in report["because"])}'
    if report['verdict'] != 'undecided':
        return 'not worse, within the limits of all gates'
    if not report['answered_by_both']:
        return 'undecided: no request was answered by both versions'
    notes = {result['gate']: result['note'] for result in report['gates']}
    gates = [f'{gate}: {notes[gate]}' if notes[gate] else gate for gate in report['because']]
    return f'undecided: too few requests ({", ".join(gates)}); send more with --limit or --seconds'


def _correctness(flip: dict[str, Any]) -> str:
    return '' if flip['correct'] is None else f' ({"right" if flip["correct"] else "wrong"} now)'


def _percent(figures: dict[str, Any], sign: str = '') -> str:
    low, high = figures['interval']
    return f'{figures["estimate"]:{sign}.2%} [{low:{sign}.2%}, {high:{sign}.2%}]'
