"""Accuracy of the sentiment model and of linear baselines, over fixed folds.

    python -m benchmarks.sentiment [--quick] [--data vader|muchocine-summary|muchocine-body] [--set a.b=c]
                                [--teacher minilm] [--vectors FILE]

In each fold, the vocabulary and the network are trained on the training rows, early stopping uses the validation
rows, and the test rows are predicted once. The baselines have nothing to choose, so they use the validation rows too.
With a teacher, it is fine-tuned on the training rows of the fold, and scores VADER's other domains.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from benchmarks import report
from benchmarks.corpora import MissingDataError, SentimentData, domain_sentences, reviews
from benchmarks.folds import Fold, folds, for_choosing
from vaiven.pipeline.config import Config, configure

if TYPE_CHECKING:
    from benchmarks.teacher import Taught

SEED = 20_240_901
# Of VADER's package; a teacher scores their sentences.
DOMAINS = ('amazon', 'tweets', 'nyt')


class Plan(NamedTuple):
    """Size of the benchmark for one corpus.

    Attributes:
        folds: number of parts of the corpus.
        settings: for this corpus: a small number of long texts needs random segments and small batches.
        quick_folds: number of folds that `--quick` measures.
        quick_settings: further settings of `--quick`.
    """

    folds: int
    quick_folds: int
    settings: tuple[str, ...] = ()
    quick_settings: tuple[str, ...] = ()


PLANS: dict[str, Plan] = {
    'vader': Plan(10, 2),
    'muchocine-summary': Plan(5, 3),
    'muchocine-body': Plan(
        5,
        2,
        (
            'text.max_tokens=2048',
            'training.window=200',
            'training.batch_size=16',
            'training.epochs=8',
            'training.learning_rate=0.001',
        ),
        ('training.epochs=2', 'training.window=100', 'text.max_tokens=400'),
    ),
}


@click.command(help=__doc__)
@click.option('--data', type=click.Choice(list(PLANS)), default='vader', show_default=True)
@click.option('--quick', is_flag=True, help='Fewer folds, and fewer epochs for long texts; the same code.')
@click.option('--set', 'settings', multiple=True, metavar='NAME=VALUE', help='As for `vaiven run --set`.')
@click.option('--vectors', metavar='FILE', help='As for `vaiven run --vectors`.')
@click.option('--preset', default='reviews', show_default=True)
@click.option('--on', type=click.Choice(['test', 'validation']), default='test', show_default=True,
              help='Measure on parts of the training folds instead, for choosing settings.')  # fmt: skip
@click.option('--teacher', metavar='NAME', help='As for `vaiven run --teacher`: minilm, e5 or a folder.')
def main(
    data: SentimentData,
    quick: bool,
    settings: tuple[str, ...],
    preset: str,
    on: str,
    teacher: str | None,
    vectors: str | None,
) -> None:
    report.quiet_libraries()
    report.show_progress()
    try:
        rows = reviews(data)
    except MissingDataError as missing:
        report.say(str(missing))
        report.conclude({'benchmark': 'sentiment', 'data': data, 'skipped': str(missing)})
        return
    plan = PLANS[data]
    count = plan.quick_folds if quick else plan.folds
    settings = (
        *([f'teacher.checkpoint={teacher}'] if teacher else []),
        *plan.settings,
        *(plan.quick_settings if quick else ()),
        *settings,
    )
    labelled = sum(row.label is not None for row in rows)
    report.say(f'{data}: {labelled} labelled rows, {len(rows) - labelled} without a label')
    report.say(
        f'folds 1-{count} of {plan.folds}, seed {SEED}, settings: {" ".join(settings) or "the defaults"}'
    )
    started = time.monotonic()
    more = (
        [row.text for domain in DOMAINS for row in domain_sentences(domain)]
        if teacher and data == 'vader'
        else []
    )
    measured = []
    for number, fold in enumerate(folds(rows, plan.folds, SEED), start=1):
        if number > count:
            break
        part = for_choosing(fold, SEED) if on == 'validation' else fold
        measured.append(measure(part, preset, settings, more, vectors))
        line = '  '.join(f'{name} {100 * value:.1f}' for name, value in measured[-1]['accuracy'].items())
        report.say(f'fold {number}: {line}  ({measured[-1]["seconds"]["vaiven"]:.0f} s)')
    result = _summary(measured)
    for name, figures in result['accuracy'].items():
        report.say(f'{name:>16}: {report.percent(figures)} %')
    report.say(f'expected calibration error of vaiven: {report.percent(result["calibration_error"])} %')
    for name, figures in result['difference'].items():
        p = 'not defined' if figures['p'] is None else f'{figures["p"]:.3f}'
        report.say(f'vaiven − {name}: {report.percent(figures)} points, p {p}')
    report.conclude(
        {
            'benchmark': 'sentiment', 'data': data, 'quick': quick, 'measured_on': on, 'folds': plan.folds,
            'folds_measured': count, 'seed': SEED, 'preset': preset, 'settings': settings, 'rows': labelled,
            'vectors': vectors and Path(vectors).name,
            'unlabelled': len(rows) - labelled, **result, 'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def measure(
    fold: Fold,
    preset: str,
    settings: tuple[str, ...],
    more: Sequence[str] = (),
    vectors: str | None = None,
) -> dict[str, Any]:
    """Measures accuracy and seconds of each model on one fold, and the calibration error of the network.

    Args:
        fold: the rows.
        preset, settings: as for `configure`; with `teacher.checkpoint`, the network learns from a teacher.
        more: texts that the teacher scores, beside the rows without a label.
        vectors: path of pre-trained vectors; None for none.
    """
    from benchmarks.baselines.linear import LINEAR_BASELINES
    from vaiven.serving.evaluation.calibration import bin_probabilities, calibration_error

    heard = [*fold.train, *fold.validation]
    truth = np.array([row.label for row in fold.test])
    accuracy, seconds = {'majority': _majority(heard, truth)}, {}
    for name, learn in LINEAR_BASELINES.items():
        started = time.monotonic()
        predicted = learn(
            [row.text for row in heard],
            [int(row.label or 0) for row in heard],
            [row.text for row in fold.test],
        )
        accuracy[name] = float((predicted == truth).mean())
        seconds[name] = time.monotonic() - started
    started = time.monotonic()
    config = configure(preset, settings)
    taught = None
    if config.teacher.checkpoint:
        from benchmarks.teacher import teach

        taught = teach(fold, config.teacher, more)
        accuracy['teacher'], seconds['teacher'] = taught.accuracy, taught.seconds
        started = time.monotonic()
    probabilities, recurrent, labels = _ours(fold, config, taught, vectors)
    accuracy['recurrent path'] = float(((recurrent > 0) == labels).mean())
    accuracy['vaiven'] = float(((probabilities > 0.5) == labels).mean())
    seconds['vaiven'] = time.monotonic() - started
    return {
        'accuracy': accuracy,
        'seconds': seconds,
        'calibration_error': calibration_error(bin_probabilities(probabilities, labels)),
        'brier': float(np.mean((probabilities - labels) ** 2)),
    }


def _ours(
    fold: Fold, config: Config, taught: 'Taught | None', vectors: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, logits of the recurrent path, and labels of the test rows, each (n)."""
    from benchmarks.prepared import answers, prepare, recurrent_logits
    from vaiven.models.training.trainer import train

    scored = [] if taught is None else list(zip(taught.texts, map(float, taught.probabilities), strict=True))
    with tempfile.TemporaryDirectory(prefix='vaiven-benchmark-') as folder:
        files = prepare(fold, config, Path(folder), scored, vectors, 0 if taught is None else taught.altered)
        network = train(
            config.network,
            config.training,
            files.vocabulary,
            [files.train],
            [files.validation],
            teacher_files=[files.teacher] if scored else [],
            vectors=files.vectors,
            text=config.text,
        )
        probabilities, labels = answers(network, files.test)
        return probabilities, recurrent_logits(network, files.test), labels


def _majority(heard: list[Any], truth: np.ndarray) -> float:
    positive = np.mean([row.label for row in heard]) > 0.5
    return float((truth == int(positive)).mean())


def _summary(measured: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(measured[0]['accuracy'])
    values = {name: [fold['accuracy'][name] for fold in measured] for name in names}
    return {
        'accuracy': {name: report.spread(values[name]) for name in names},
        'difference': {
            name: report.paired(values['vaiven'], values[name])
            for name in names
            if name not in ('vaiven', 'majority')
        },
        **{name: report.spread([fold[name] for fold in measured]) for name in ('calibration_error', 'brier')},
        'seconds_a_fold': {
            name: report.spread([fold['seconds'][name] for fold in measured])
            for name in measured[0]['seconds']
        },
    }


if __name__ == '__main__':
    main()
