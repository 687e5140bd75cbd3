"""Effect of each technique on the sentiment model: from a plain bidirectional LSTM to the default, one by one.

    python -m benchmarks.sentiment_ablation [--quick] [--only NAME]

Uses the film sentences and the first folds of `benchmarks.sentiment`, measured on parts of their training rows; test
rows are never read.
"""

import time
from typing import Any

import click

from benchmarks import report
from benchmarks.corpora import MissingDataError, reviews
from benchmarks.folds import folds, for_choosing
from benchmarks.sentiment import PLANS, SEED, measure

PLAIN = (
    'network.wide_ngrams=0', 'network.subword_buckets=0', 'network.token_dropout=0', 'network.dropout=0',
    'training.language_weight=0', 'training.soft_labels=0', 'training.augment=',
)  # fmt: skip
# Each with those above it.
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ('a plain bidirectional LSTM', ()),
    ('+ locked and token dropout', ('network.token_dropout=0.2', 'network.dropout=0.4')),
    ('+ language loss', ('training.language_weight=0.1',)),
    ('+ subword embeddings', ('network.subword_buckets=16384',)),
    ('+ ratings as soft labels', ('training.soft_labels=6',)),
    ('+ wide path', ('network.wide_ngrams=262144',)),
    ('+ negations and names (the default)', ('training.augment=negation,names',)),
    ('+ two epochs of language first', ('training.language_epochs=2',)),
    (
        '+ discriminative rates, unfreezing',
        ('training.layer_decay=2.6', 'training.unfreeze_epochs=1'),
    ),
)
FOLDS, QUICK_FOLDS = 3, 1
QUICK_STEPS = (STEPS[0][0], STEPS[6][0])
QUICK_SETTINGS = ('training.epochs=3',)


@click.command(help=__doc__)
@click.option(
    '--quick', is_flag=True, help='The first and the default, one fold, fewer epochs; the same code.'
)
@click.option(
    '--only',
    multiple=True,
    type=click.Choice([name for name, _ in STEPS]),
    help='Only this step; can be repeated.',
)
def main(quick: bool, only: tuple[str, ...]) -> None:
    report.quiet_libraries()
    started = time.monotonic()
    try:
        rows = reviews('vader')
    except MissingDataError as missing:
        report.say(str(missing))
        report.conclude({'benchmark': 'sentiment_ablation', 'skipped': str(missing)})
        return
    count = QUICK_FOLDS if quick else FOLDS
    parts = [
        for_choosing(fold, SEED)
        for _, fold in zip(range(count), folds(rows, PLANS['vader'].folds, SEED), strict=False)
    ]
    report.say(f'inner folds 1-{count}, seed {SEED}')
    found: dict[str, Any] = {}
    for name, settings in with_those_above(STEPS):
        if name not in (only or (QUICK_STEPS if quick else dict(STEPS))):
            continue
        settings = (*PLAIN, *settings, *(QUICK_SETTINGS if quick else ()))
        begun = time.monotonic()
        measured = [measure(part, 'reviews', settings) for part in parts]
        found[name] = {
            **report.spread([each['accuracy']['vaiven'] for each in measured]),
            'nb_svm': report.spread([each['accuracy']['nb_svm'] for each in measured]),
            'seconds': (time.monotonic() - begun) / count,
            'settings': settings,
        }
        report.say(
            f'{name:>36}: {report.percent(found[name])} %  (NB-SVM {report.percent(found[name]["nb_svm"])} %; '
            f'{found[name]["seconds"]:.0f} s a fold)'
        )
    report.conclude(
        {
            'benchmark': 'sentiment_ablation', 'quick': quick, 'folds': count, 'seed': SEED,
            'measured_on': 'parts of the training rows', 'accuracy': found, 'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def with_those_above(
    steps: tuple[tuple[str, tuple[str, ...]], ...],
) -> list[tuple[str, tuple[str, ...]]]:
    """Each step with the settings of all steps up to it."""
    return [
        (name, sum((more for _, more in steps[: number + 1]), ())) for number, (name, _) in enumerate(steps)
    ]


if __name__ == '__main__':
    main()
