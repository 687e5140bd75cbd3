"""Classification with several classes, ordered or not: the model, linear baselines and fastText, over fixed folds.

    python -m benchmarks.classification [--quick] [--data film-3|muchocine-stars|sayings-20|…] [--set a.b=c]

In each fold, the vocabulary and the network are trained on the training rows, early stopping and calibration use the
validation rows, and the test rows are predicted once. The baselines have nothing to choose, so they use the validation
rows too.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import report
from benchmarks.corpora import MissingDataError
from benchmarks.folds import Fold, folds, for_choosing
from benchmarks.labelled_corpora import CORPORA, Corpus
from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation.measures import Measures, measure

SEED = 20_240_901
QUICK_FOLDS = 2
OURS = 'vaiven'
# Texts and labels for training, texts for testing → probabilities (n, classes).
Learner = Callable[[list[str], list[int], list[str]], np.ndarray]


@click.command(help=__doc__)
@click.option('--data', type=click.Choice(list(CORPORA)), default='film-3', show_default=True)
@click.option('--quick', is_flag=True, help=f'{QUICK_FOLDS} folds; the same code.')
@click.option('--set', 'settings', multiple=True, metavar='NAME=VALUE', help='As for `vaiven run --set`.')
@click.option('--preset', default='reviews', show_default=True)
@click.option('--on', type=click.Choice(['test', 'validation']), default='test', show_default=True,
              help='Measure on parts of the training folds instead, for choosing settings.')  # fmt: skip
def main(data: str, quick: bool, settings: tuple[str, ...], preset: str, on: str) -> None:
    report.quiet_libraries()
    report.show_progress()
    try:
        corpus = CORPORA[data]()
    except MissingDataError as missing:
        report.say(str(missing))
        report.conclude({'benchmark': 'classification', 'data': data, 'skipped': str(missing)})
        return
    count = QUICK_FOLDS if quick else corpus.folds
    counts = np.bincount([row.label or 0 for row in corpus.rows], minlength=corpus.labels.size)
    names = ', '.join(f'{name} {rows:,}' for name, rows in zip(corpus.labels.classes, counts, strict=True))
    report.say(f'{data}: {len(corpus.rows):,} rows, {corpus.labels.kind}: {names}')
    report.say(
        f'folds 1-{count} of {corpus.folds}, seed {SEED}, settings: {" ".join(settings) or "the defaults"}'
    )
    learners = _baselines(corpus.labels)
    measured: list[dict[str, dict[str, float]]] = []
    started = time.monotonic()
    for number, fold in enumerate(folds(corpus.rows, corpus.folds, SEED), start=1):
        if number > count:
            break
        part = for_choosing(fold, SEED) if on == 'validation' else fold
        measured.append(measure_fold(part, corpus, learners, preset, settings))
        report.say(f'fold {number}: ' + '  '.join(map(_line, measured[-1].items())))
    result = _summary(measured)
    for measure_name in measured[0][OURS]:
        report.say(f'{measure_name}:')
        for name, figures in result['models'].items():
            report.say(f'{name:>24}: {_figures(figures[measure_name])}')
        for name, differences in result['differences'].items():
            p = differences[measure_name]['p']
            shown = 'not defined' if p is None else f'{p:.3f}'
            report.say(f'{OURS} − {name}: {_figures(differences[measure_name])}, p {shown}')
    report.conclude(
        {
            'benchmark': 'classification', 'data': data, 'quick': quick, 'measured_on': on,
            'folds': corpus.folds, 'folds_measured': count, 'seed': SEED, 'preset': preset,
            'settings': settings, 'rows': len(corpus.rows), 'kind': corpus.labels.kind,
            'classes': dict(zip(corpus.labels.classes, counts.tolist(), strict=True)), **result,
            'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def measure_fold(
    fold: Fold, corpus: Corpus, learners: dict[str, Learner], preset: str, settings: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Measures each model on one fold.

    Args:
        fold: its rows.
        corpus: gives kind and classes.
        learners: the baselines by name.
        preset: of the network.
        settings: further settings of the network.

    Returns:
        Name of the model → name of the measure → value.
    """
    known = [*fold.train, *fold.validation]
    texts, labels = [row.text for row in known], [int(row.label or 0) for row in known]
    truth = np.array([row.label for row in fold.test])
    result = {}
    for name, learn in learners.items():
        started = time.monotonic()
        probabilities = learn(texts, labels, [row.text for row in fold.test])
        result[name] = _figures_of(truth, probabilities, corpus.labels, time.monotonic() - started)
    started = time.monotonic()
    probabilities, truth = _ours(fold, corpus.labels, preset, settings)
    result[OURS] = _figures_of(truth, probabilities, corpus.labels, time.monotonic() - started)
    return result


def _figures_of(
    truth: np.ndarray, probabilities: np.ndarray, labels: LabelSpec, seconds: float
) -> dict[str, float]:
    measures: Measures = measure(truth, probabilities, labels)
    names = ['accuracy', 'macro_f1', 'balanced_accuracy', 'log_loss', 'ece']
    if labels.kind == 'ordinal':
        names += ['mean_absolute_error', 'quadratic_kappa']
    return {**{name: float(getattr(measures, name)) for name in names}, 'seconds': seconds}


def _baselines(labels: LabelSpec) -> dict[str, Learner]:
    from benchmarks.baselines.fasttext_supervised import fasttext_probabilities, is_installed
    from benchmarks.baselines.linear import tfidf_logistic_probabilities

    def majority(texts: list[str], classes: list[int], test_texts: list[str]) -> np.ndarray:
        counts = np.bincount(classes, minlength=labels.size)
        return np.tile(counts / counts.sum(), (len(test_texts), 1))

    def logistic(texts: list[str], classes: list[int], test_texts: list[str]) -> np.ndarray:
        return tfidf_logistic_probabilities(texts, classes, test_texts, labels.size)

    def balanced(texts: list[str], classes: list[int], test_texts: list[str]) -> np.ndarray:
        return tfidf_logistic_probabilities(texts, classes, test_texts, labels.size, 'balanced')

    def fasttext(texts: list[str], classes: list[int], test_texts: list[str]) -> np.ndarray:
        return fasttext_probabilities(texts, classes, test_texts, labels.size)

    learners: dict[str, Learner] = {
        'majority': majority,
        'tfidf_logistic': logistic,
        'tfidf_logistic_balanced': balanced,
    }
    if is_installed():
        learners['fasttext'] = fasttext
    else:
        report.say('fastText is not measured: the package fasttext-numpy2 is not installed')
    return learners


def _ours(
    fold: Fold, labels: LabelSpec, preset: str, settings: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    from benchmarks.prepared import prepare, probabilities_of
    from vaiven.models.training.trainer import train
    from vaiven.pipeline.config import configure

    config = configure(preset, settings)
    with tempfile.TemporaryDirectory(prefix='vaiven-benchmark-') as folder:
        files = prepare(fold, config, Path(folder))
        network = train(
            config.network,
            config.training,
            files.vocabulary,
            [files.train],
            [files.validation],
            text=config.text,
            labels=labels,
        )
        return probabilities_of(network, files.test, labels)


def _summary(measured: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    models = list(measured[0])

    def values(model: str, name: str) -> list[float]:
        return [fold[model][name] for fold in measured]

    names = list(measured[0][OURS])
    return {
        'models': {model: {name: report.spread(values(model, name)) for name in names} for model in models},
        'differences': {
            model: {name: report.paired(values(OURS, name), values(model, name)) for name in names}
            for model in models
            if model not in (OURS, 'majority')
        },
    }


def _line(item: tuple[str, dict[str, float]]) -> str:
    name, figures = item
    shown = [f'{100 * figures["accuracy"]:.1f} %', f'macro-F1 {figures["macro_f1"]:.3f}']
    if 'mean_absolute_error' in figures:
        shown.append(f'MAE {figures["mean_absolute_error"]:.3f}')
    return f'{name} {" ".join(shown)} ({figures["seconds"]:.0f} s)'


def _figures(figures: dict[str, Any]) -> str:
    spread = '' if figures['sd'] is None else f' ± {figures["sd"]:.4f}'
    return f'{figures["mean"]:.4f}{spread}'


if __name__ == '__main__':
    main()
