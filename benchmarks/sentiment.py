"""Accuracy of the sentiment model and of linear baselines, over fixed folds.

    python -m benchmarks.sentiment [--quick] [--folds N] [--data vader|muchocine-summary|muchocine-body] [--set a.b=c]
                                [--teacher minilm] [--vectors FILE] [--also CSV]

In each fold, the vocabulary and the network are trained on the training rows, early stopping uses the validation
rows, and the test rows are predicted once. The baselines have nothing to choose, so they use the validation rows too.
With a teacher, it is trained on the training rows of the fold. It scores altered copies of them, the rows without a
label, and VADER's other domains, or sentences of MuchoCine's reviews beside their summaries.
"""

import csv
import functools
import random
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from benchmarks import report
from benchmarks.corpora import MissingDataError, Review, SentimentData, domain_sentences, reviews
from benchmarks.folds import Fold, folds, for_choosing
from vaiven.pipeline.config import Config, configure

if TYPE_CHECKING:
    from benchmarks.teacher import Taught

SEED = 20_240_901
# Of VADER's package; a teacher scores their sentences.
DOMAINS = ('amazon', 'tweets', 'nyt')
# Of the bodies of MuchoCine, which a teacher of summaries scores.
MAX_SENTENCES = 6000


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
@click.option(
    '--folds', 'first', type=click.IntRange(1), help='Measure this number of folds.  [default: all]'
)
@click.option('--set', 'settings', multiple=True, metavar='NAME=VALUE', help='As for `vaiven run --set`.')
@click.option('--vectors', metavar='FILE', help='As for `vaiven run --vectors`.')
@click.option('--preset', default='reviews', show_default=True)
@click.option('--on', type=click.Choice(['test', 'validation']), default='test', show_default=True,
              help='Measure on parts of the training folds instead, for choosing settings.')  # fmt: skip
@click.option('--also', multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar='CSV',
              help='Also classify these rows (columns text and label, 0 or 1): other domains.')  # fmt: skip
@click.option('--teacher', metavar='NAME', help='As for `vaiven run --teacher`: minilm, e5 or a folder.')
def main(
    data: SentimentData,
    quick: bool,
    first: int | None,
    settings: tuple[str, ...],
    preset: str,
    on: str,
    also: tuple[Path, ...],
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
    count = min(first or plan.folds, plan.quick_folds if quick else plan.folds)
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
    further = {path.stem: _read_csv(path) for path in also}
    measured = []
    for number, fold in enumerate(folds(rows, plan.folds, SEED), start=1):
        if number > count:
            break
        part = for_choosing(fold, SEED) if on == 'validation' else fold
        more = _more_texts(data, part) if teacher else []
        measured.append(measure(part, preset, settings, more, vectors, further))
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
    further: Mapping[str, list[Review]] | None = None,
) -> dict[str, Any]:
    """Measures accuracy and seconds of each model on one fold, and the calibration error of the network.

    Args:
        fold: the rows.
        preset, settings: as for `configure`; with `teacher.checkpoint`, the network learns from a teacher.
        more: texts that the teacher scores, beside the rows without a label.
        vectors: path of pre-trained vectors; None for none.
        further: labelled texts of other domains, by name.
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

        taught = teach(fold, config.teacher, more, further)
        accuracy['teacher'], seconds['teacher'] = taught.accuracy, taught.seconds
        accuracy |= {f'teacher, {name}': value for name, value in taught.further.items()}
        started = time.monotonic()
    answered = _ours(fold, config, taught, vectors, further or {})
    for name, (probabilities, (recurrent, wide), labels) in answered.items():
        suffix = f', {name}' if name else ''
        accuracy[f'recurrent path{suffix}'] = float(((recurrent > 0) == labels).mean())
        accuracy[f'wide path{suffix}'] = float(((wide > 0) == labels).mean())
        accuracy[f'vaiven{suffix}'] = float(((probabilities > 0.5) == labels).mean())
    probabilities, _, labels = answered['']
    seconds['vaiven'] = time.monotonic() - started
    return {
        'accuracy': accuracy,
        'seconds': seconds,
        'calibration_error': calibration_error(bin_probabilities(probabilities, labels)),
        'brier': float(np.mean((probabilities - labels) ** 2)),
    }


def _more_texts(data: SentimentData, fold: Fold) -> list[str]:
    """Texts for a teacher: other domains, or sentences of whole reviews of the training films beside the summaries."""
    if data == 'muchocine-body':
        return []
    candidates = _candidates(data)
    if data == 'vader':
        return [row.text for row in candidates]
    films = {row.group for row in fold.train}
    sentences = [row.text for row in candidates if row.group in films]
    return random.Random(SEED).sample(sentences, min(len(sentences), MAX_SENTENCES))


@functools.cache
def _candidates(data: SentimentData) -> list[Review]:
    """The sentences of VADER's other domains, or of MuchoCine's whole reviews; read once, for all folds."""
    if data == 'vader':
        return [row for domain in DOMAINS for row in domain_sentences(domain)]
    return [
        row._replace(text=sentence)
        for row in reviews('muchocine-body')
        for sentence in re.split(r'(?<=[.!?…])\s+', row.text)
        if len(sentence.split()) > 3
    ]


def _ours(
    fold: Fold,
    config: Config,
    taught: 'Taught | None',
    vectors: str | None,
    further: Mapping[str, list[Review]],
) -> dict[str, tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]]:
    """Probabilities, logits of both paths, and labels, each (n): of the test rows ('') and by name."""
    from benchmarks.prepared import answers, path_logits, prepare, to_ids, tokens_of, write_rows
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
        written = {'': files.test}
        for name, rows in further.items():
            ids = to_ids(tokens_of([row.text for row in rows], config, files.vocabulary), files.vocabulary)
            written[name] = write_rows(Path(folder, f'also-{name}.gz'), ids, rows, config)
        answered = {}
        for name, file in written.items():
            probabilities, labels = answers(network, file)
            answered[name] = probabilities, path_logits(network, file), labels
        return answered


def _read_csv(path: Path) -> list[Review]:
    with path.open(encoding='utf-8', newline='') as file:
        return [
            Review(row['text'], int(row['label']), '') for row in csv.DictReader(file) if row['text'].strip()
        ]


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
            if name not in ('vaiven', 'majority') and ', ' not in name
        },
        **{name: report.spread([fold[name] for fold in measured]) for name in ('calibration_error', 'brier')},
        'seconds_a_fold': {
            name: report.spread([fold['seconds'][name] for fold in measured])
            for name in measured[0]['seconds']
        },
    }


if __name__ == '__main__':
    main()
