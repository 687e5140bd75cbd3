"""`vaiven evaluate`: measures a model on the labelled rows of a table."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.connecting import resolve_target
from vaiven.serving.commands.evaluate_options import (
    Data,
    PredictionsOutput,
    data_options,
    predictions_options,
)
from vaiven.serving.commands.options import Name, Seconds, Target, model_version_options
from vaiven.serving.commands.rollout_options import json_option
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path

if TYPE_CHECKING:
    from pathlib import Path

    from vaiven.serving.commands.evaluate_data import LabelledRows
    from vaiven.serving.commands.evaluate_model import EvaluatedModel
    from vaiven.serving.commands.evaluate_predictions import PredictionsFile
    from vaiven.serving.evaluation.evaluation import Evaluation

BATCH_ROWS = 128
PROGRESS_SECONDS = 0.5


@click.command(short_help='Measure a model on labelled rows.')
@data_options
@click.option(
    '--compare',
    type=Name(),
    metavar='MODEL',
    help='Compare with a version, a label, the address of a server, or the folder of a SavedModel.',
)
@click.option(
    '--errors',
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar='N',
    help='Number of errors, and of changed predictions, to show.',
)
@predictions_options
@click.option(
    '--patience',
    type=Seconds(min_open=False),
    default=60.0,
    show_default=True,
    metavar='SECONDS',
    help='How long to wait for a server that becomes unavailable.',
)
@json_option
@model_version_options
def evaluate(
    data: Data,
    compare: str | None,
    errors: int,
    predictions: PredictionsOutput,
    patience: float,
    as_json: bool,
    target: Target,
) -> None:
    """Measure a model on the labelled rows of a table.

    The model is a version on a server. If none is running and none was named, the newest model below vaiven-runs is
    loaded in this process. The table is a .csv, .tsv, .jsonl, .json, .parquet or .ft file, compressed (.gz, .bz2, .zst,
    .zip) or not. Rows without a label are counted and not measured.

    All intervals are 95 % confidence intervals. With --compare, both models get the same rows, and the intervals of the
    differences are paired.

    \b
    Examples:
      vaiven evaluate --data reviews.csv
      vaiven evaluate --data reviews.csv --label-column stars --slice-by language
      vaiven evaluate --data reviews.csv --version 3 --compare 2
      vaiven evaluate --data reviews.csv --server saved-model:export/1 --json
      vaiven evaluate --data reviews.csv --out predictions.csv
    """
    path = local_path(data.file, '--data', 'file')
    with ExitStack() as stack:
        writing = _output_file(predictions, path)
        from vaiven.serving.commands.evaluate_model import SIGNATURE, EvaluatedModel, compared_target

        target = resolve_target(target, *SIGNATURE)
        other = None if compare is None else compared_target(target, compare)
        model = EvaluatedModel.connect(target, stack.enter_context(target.client()))
        reference = None
        if other is not None:
            reference = EvaluatedModel.connect(other, stack.enter_context(other.client()))
        rows = _rows(data, path, model, predictions, stack)
        writer = None if writing is None else writing(stack, model)
        evaluation = _evaluate(rows, model, reference, errors, patience, writer, data.slice_by)
    if as_json:
        _print_json(evaluation, data.file, rows, model, reference)
    else:
        _print_report(evaluation, data.file, rows, model, reference)
    if predictions.out is not None:
        terminal.say(f'{predictions.out}: {rows.rows:,} rows with predictions', err=True)


def _rows(
    data: Data, path: Path, model: EvaluatedModel, predictions: PredictionsOutput, stack: ExitStack
) -> LabelledRows:
    from vaiven.serving.commands.evaluate_data import LabelledRows
    from vaiven.serving.common.tables.options import EVERY

    rows = LabelledRows(
        str(path),
        data.text_column,
        data.label_column,
        model.labels,
        data.encoding,
        tuple(dict.fromkeys(data.slice_by)) if predictions.out is None else EVERY,
        keep_unlabelled=predictions.out is not None,
        ignore_unknown=data.ignore_unknown_labels,
    )
    rows.open(stack)
    return rows


def _output_file(
    predictions: PredictionsOutput, data: Path
) -> Callable[[ExitStack, EvaluatedModel], PredictionsFile] | None:
    """Checks `--out`; returns what opens the file once the classes are known. The file appears when it is complete."""
    if predictions.out is None:
        return None
    from vaiven.serving.commands.evaluate_predictions import PredictionsFile, require_writable

    out = local_path(predictions.out, '--out', 'file')
    ending = require_writable(out, data)

    def open_file(stack: ExitStack, model: EvaluatedModel) -> PredictionsFile:
        from vaiven.atomic import replacing

        try:
            stream = stack.enter_context(replacing(out))
        except OSError as error:
            raise ServingError(f'cannot write {out}: {error.strerror}') from error
        return PredictionsFile(
            stream, ending, model.labels, predictions.out_prefix, predictions.probabilities
        )

    return open_file


def _evaluate(
    rows: LabelledRows,
    model: EvaluatedModel,
    reference: EvaluatedModel | None,
    errors: int,
    patience: float,
    writer: PredictionsFile | None,
    columns: tuple[str, ...],
) -> Evaluation:
    """Sends all rows and measures the answers."""
    from vaiven.serving.commands.batch_requests import batch_results
    from vaiven.serving.commands.evaluate_collecting import Collector
    from vaiven.serving.commands.evaluate_data import LabelledText
    from vaiven.serving.commands.evaluate_model import same_classes
    from vaiven.serving.commands.text_inputs import batches

    places = None if reference is None else same_classes(model, reference)
    collector = Collector(model, reference, places, columns, errors)
    progress = _Progress(rows)
    results = batch_results(
        batches(rows, BATCH_ROWS), lambda batch, number: [collector.predict(batch)], patience
    )
    with closing(results):
        for batch, [answers] in results:
            texts = [text for text in batch if isinstance(text, LabelledText)]
            if writer is not None:
                writer.write(texts, answers[0])
            collector.add(texts, *answers)
            progress.show()
    progress.end()
    if not collector.rows:
        raise ServingError(_no_rows(rows))
    return collector.result()


def _no_rows(rows: LabelledRows) -> str:
    if not rows.rows:
        return f'{rows.path} has no rows: give a table with texts and labels'
    skipped = rows.skipped()
    return (
        f'{rows.path} has no row with a label in column {rows.label_column!r}'
        + (f' ({skipped[0]})' if rows.unknown else f' among {rows.rows:,} rows')
        + ': name another column with --label-column'
    )


class _Progress:
    """A line on standard error, if that is a terminal."""

    def __init__(self, rows: LabelledRows) -> None:
        self._rows = rows
        self._start = self._last = time.monotonic()
        self._is_shown = False

    def show(self) -> None:
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._last < PROGRESS_SECONDS:
            return
        self._last, self._is_shown = now, True
        share = self._rows.share()
        part = '' if share is None else f'  {share:.0%}'
        speed = self._rows.rows / (now - self._start)
        sys.stderr.write(f'\r{self._rows.rows:,} rows  {speed:,.0f} rows/s{part}\x1b[K')
        sys.stderr.flush()

    def end(self) -> None:
        if self._is_shown:
            sys.stderr.write('\r\x1b[K')
            sys.stderr.flush()


def _print_report(
    evaluation: Evaluation,
    file: str,
    rows: LabelledRows,
    model: EvaluatedModel,
    reference: EvaluatedModel | None,
) -> None:
    from vaiven.serving.commands.evaluate_report import report

    click.echo(click.style(str(model), bold=True) + f': {evaluation.whole.measures.rows:,} rows of {file}')
    if reference is not None:
        click.echo(f'compared with {reference}')
    for line in rows.skipped():
        terminal.say(line)
    click.echo()
    for line in report(evaluation, terminal.width() if sys.stdout.isatty() else None):
        click.echo(line)


def _print_json(
    evaluation: Evaluation,
    file: str,
    rows: LabelledRows,
    model: EvaluatedModel,
    reference: EvaluatedModel | None,
) -> None:
    from vaiven.serving.commands.evaluate_document import document

    values: dict[str, Any] = {
        'data': file,
        **model.identity(),
        **({} if reference is None else {'reference': reference.identity()}),
        'unlabelled': rows.unlabelled,
        'unknown_labels': dict(rows.unknown),
        **document(evaluation),
    }
    click.echo(json.dumps(values, ensure_ascii=False))
