"""`vaiven calibrate`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaiven.errors import UserError
from vaiven.serving.commands.evaluate_options import Table, table_options
from vaiven.serving.commands.pushed_models import PushedChoice, PushedModel, pushed_options
from vaiven.serving.common import terminal
from vaiven.serving.common.local_path import local_path

if TYPE_CHECKING:
    import numpy as np

    from vaiven.label_spec import LabelSpec
    from vaiven.models.training.recalibration import Recalibration

# With fewer labelled rows, what is fitted is mostly noise.
MIN_ROWS = 50
BATCH_ROWS = 64


class CalibrationError(UserError):
    """Nothing was pushed."""

    exit_status = 1


@click.command()
@table_options
@pushed_options
@click.option('--dry-run', is_flag=True, help='Only show what the calibration would change.')
def calibrate(table: Table, pushed: PushedChoice, dry_run: bool) -> int:
    """Fit the probabilities of a pushed model to labelled rows of your own, and push the result as the next version.

    A model is calibrated on the validation rows of its run. On other texts, such as longer ones, its probabilities and
    the point where its label changes may be off. This command fits a factor and a bias for its logits; all other
    weights stay. It needs 50 labelled rows that the model was not trained on.

    The figures are those of 5-fold cross-validation: each row is judged by a calibration to other rows. If the log loss
    does not fall, nothing is pushed and the exit status is 1.

    \b
    Examples:
      vaiven calibrate --data reviews.csv
      vaiven calibrate --data reviews.csv --label-column stars --dry-run
      vaiven calibrate --data tickets.csv --name tickets --version 3
    """
    path = local_path(table.file, '--data', 'file')
    model = pushed.find()
    from vaiven.serving.server.runtime import tensorflow

    tensorflow()  # its import writes nothing to the terminal then
    from vaiven.models.export.combination import read_combination
    from vaiven.models.training.recalibration import Recalibration, cross_validated

    combination = read_combination(model.path)  # before any text is classified: it may not be there
    spec, probabilities, targets = _classified(table, path, model)
    before = _figures(spec, probabilities, targets)
    after = _figures(spec, cross_validated(spec, probabilities, targets), targets)
    terminal.say(f'version {model.version} in {model.folder}, {len(targets):,} labelled rows of {table.file}')
    for name, old in before.items():
        terminal.say(f'  {name:<26} {old:>7.3f}  calibrated {after[name]:>7.3f}')
    if after['log loss'] >= before['log loss']:
        raise CalibrationError(
            f'nothing was pushed: on rows like these, version {model.version} is calibrated as well as it can be'
        )
    if dry_run:
        return 0
    fitted = Recalibration.fit(spec, probabilities, targets)
    _push(model, fitted, fitted.combination(combination), path, len(targets))
    return 0


def _classified(table: Table, path: Path, model: PushedModel) -> tuple[LabelSpec, np.ndarray, np.ndarray]:
    """Returns kind and classes of the model, and the probabilities and targets of the rows, each (rows, classes)."""
    import numpy as np

    from vaiven.serving.commands.batch_requests import batch_results
    from vaiven.serving.commands.evaluate_data import LabelledRows, LabelledText, label_array
    from vaiven.serving.commands.evaluate_model import SAVED_MODEL, EvaluatedModel
    from vaiven.serving.commands.options import Target
    from vaiven.serving.commands.text_inputs import batches

    target = Target(f'{SAVED_MODEL}{model.path}', model.folder.name)
    with contextlib.ExitStack() as stack:
        classifier = EvaluatedModel.connect(target, stack.enter_context(target.client()))
        rows = LabelledRows(
            str(path),
            table.text_column,
            table.label_column,
            classifier.labels,
            table.encoding,
            ignore_unknown=table.ignore_unknown_labels,
        )
        rows.open(stack)
        probabilities, labels = [], []
        results = stack.enter_context(
            contextlib.closing(
                batch_results(batches(rows, BATCH_ROWS), lambda batch, _: [classifier.predict(batch)], 0)
            )
        )
        for batch, [answer] in results:
            probabilities.append(answer.probabilities)
            labels += [text.label or '' for text in batch if isinstance(text, LabelledText)]
    for line in rows.skipped():
        terminal.say(line, err=True)
    spec = classifier.spec
    classes = {name for label in labels for name in ([label] if isinstance(label, str) else label)}
    if len(labels) < MIN_ROWS or len(classes) < 2:
        raise UserError(
            f'a calibration needs at least {MIN_ROWS} labelled rows of two classes. '
            f'Received: {len(labels):,} rows of {len(classes)} in {table.file}'
        )
    truth = label_array(labels, spec)
    targets = truth if spec.kind == 'multilabel' else np.eye(spec.size)[truth]
    return spec, np.concatenate(probabilities).astype(np.float64), targets.astype(np.float64)


def _figures(spec: LabelSpec, probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    from vaiven.serving.evaluation.measures import measure

    labels = targets > 0.5 if spec.kind == 'multilabel' else targets.argmax(axis=1)
    measures = measure(labels, probabilities, spec)
    return {
        'accuracy': measures.accuracy,
        'log loss': measures.log_loss,
        'expected calibration error': measures.ece,
    }


def _push(model: PushedModel, fitted: Recalibration, combination: np.ndarray, data: Path, rows: int) -> None:
    """Pushes a copy of the version with another combination, and a record of what it was fitted to."""
    import hashlib
    import json

    from vaiven.components.pusher.push import FINGERPRINT_FILE, folder_copier, push
    from vaiven.models.export.combination import replace_combination
    from vaiven.models.export.files import CONFIG_PATH

    def copy(folder: Path) -> None:
        folder_copier(model.path)(folder)
        replace_combination(folder, combination)
        (folder / FINGERPRINT_FILE).unlink(missing_ok=True)  # of the version that was copied
        config = folder / CONFIG_PATH
        values: dict[str, Any] = json.loads(config.read_text(encoding='utf-8'))
        with data.open('rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
        values['calibration'] = {
            'version': model.version,
            'rows': rows,
            'sha256': digest,
            'factor': fitted.factor.tolist(),
            'bias': fitted.bias.tolist(),
        }
        config.write_text(json.dumps(values, ensure_ascii=False) + '\n', encoding='utf-8')

    version = push(copy, model.folder)
    verb = 'pushed' if version.new else 'is there already'
    terminal.say(f'version {version.version} {verb}: {version.destination}')
