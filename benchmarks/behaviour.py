"""Effect of `training.augment` on accuracy, negation and names, over fixed folds of the film sentences.

    python -m benchmarks.behaviour [--quick] [--augment negation,names] [--on validation] [--kinds]

Negation is measured with the behavioural tests of the package, and with `--kinds` on 16 kinds of sentence; the lists of
the added sentences share words with them, so these are no independent measurement any more. Names are swapped in eight
sentences: 32 well-known and other names each.
"""

import collections
import csv
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import report
from benchmarks.corpora import MissingDataError, reviews
from benchmarks.folds import Fold, folds, for_choosing
from benchmarks.sentiment import SEED

FOLDS, QUICK_FOLDS = 10, 1
KINDS = Path(__file__).with_name('word_lists') / 'negation_kinds.csv'
# Of the four sentences of a kind.
MIN_RIGHT = 3
FRAMES = (
    '{} is terrible in this film.', '{} is wonderful in this film.', 'The film was directed by {}.',
    '{} made a boring film.', '{} gives a touching performance.', 'I saw the new film by {}.',
    'With {} it is a little too long.', 'The story, with {}, is simple and charming.',
)  # fmt: skip
NAMES = (
    'Steven Spielberg', 'Martin Scorsese', 'Woody Allen', 'Spike Lee', 'Adam Sandler', 'Eddie Murphy', 'Julia Roberts',
    'Tom Hanks', 'Robin Williams', 'Jackie Chan', 'Pedro Almodovar', 'Hayao Miyazaki', 'Meryl Streep', 'Al Pacino',
    'Jennifer Lopez', 'Britney Spears', 'Ben Affleck', 'Denzel Washington', 'Nicole Kidman', 'Madonna', 'Mel Gibson',
    'Guy Ritchie', 'Roman Polanski', 'Clint Eastwood', 'Mary Johnson', 'Jamal Washington', 'Fatima Hassan', 'Mei Chen',
    'Rajesh Patel', 'Peter Miller', 'Hiroshi Tanaka', 'Diego Romero',
)  # fmt: skip

Predict = Callable[[Sequence[str]], np.ndarray]


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='One fold; the same code.')
@click.option(
    '--augment', 'augments', multiple=True, metavar='LIST', help='As for `vaiven run`; repeat to compare.'
)
@click.option('--on', type=click.Choice(['test', 'validation']), default='validation', show_default=True)
@click.option('--kinds', is_flag=True, help='Also measure the kinds of negation that are kept aside.')
def main(quick: bool, augments: tuple[str, ...], on: str, kinds: bool) -> None:
    report.quiet_libraries()
    report.show_progress()
    started = time.monotonic()
    try:
        rows = reviews('vader')
    except MissingDataError as missing:
        report.conclude({'benchmark': 'behaviour', 'skipped': str(missing)})
        return
    count = QUICK_FOLDS if quick else FOLDS
    measured: dict[str, list[dict[str, Any]]] = {augment: [] for augment in ('', *augments)}
    for number, fold in zip(range(1, count + 1), folds(rows, FOLDS, SEED), strict=False):
        for augment, results in measured.items():
            results.append(measure(for_choosing(fold, SEED) if on == 'validation' else fold, augment, kinds))
            report.say(f'fold {number}, {augment or "nothing"}: {results[-1]}')
    report.conclude(
        {
            'benchmark': 'behaviour', 'measured_on': on, 'folds_measured': count, 'seed': SEED, 'results': measured,
            'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def measure(fold: Fold, augment: str, kinds: bool) -> dict[str, Any]:
    """Trains on one fold, and measures accuracy, passed behavioural tests and the mean change by another name."""
    from vaiven.components.evaluation.behaviour.cases import built_in_cases
    from vaiven.components.evaluation.behaviour.results import run_cases
    from vaiven.label_spec import SENTIMENT_LABELS

    predict = _train(fold, augment)
    labels = np.array([row.label for row in fold.test])
    results = run_cases(built_in_cases('en'), lambda texts: _both(predict(texts)), SENTIMENT_LABELS)
    figures: dict[str, Any] = {
        'accuracy': float(((predict([row.text for row in fold.test]) > 0.5) == labels).mean()),
        'name_change': name_change(predict),
        **{one.test: f'{one.passed}/{one.total}' for one in results.tests},
    }
    if kinds:
        figures |= negation_kinds(predict)
    return figures


def name_change(predict: Predict) -> float:
    """The mean absolute change of the probability if one name is replaced by another, over all pairs."""
    answers = np.array([predict([frame.format(name) for name in NAMES]) for frame in FRAMES])
    changes = np.abs(answers[:, :, None] - answers[:, None, :])  # (frames, names, names)
    return float(changes.sum() / (len(FRAMES) * len(NAMES) * (len(NAMES) - 1)))


def negation_kinds(predict: Predict) -> dict[str, Any]:
    """How many kinds have at least three of four sentences right, and how many sentences."""
    with KINDS.open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    right = (predict([row['text'] for row in rows]) > 0.5) == [row['label'] == 'positive' for row in rows]
    by_kind: collections.Counter[str] = collections.Counter()
    for row, is_right in zip(rows, right, strict=True):
        by_kind[row['test']] += int(is_right)
    return {
        'kinds_right': sum(count >= MIN_RIGHT for count in by_kind.values()),
        'kinds': dict(by_kind),
        'sentences_right': int(right.sum()),
    }


def _both(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=1)


def _train(fold: Fold, augment: str) -> Predict:
    import tensorflow as tf

    from benchmarks.prepared import prepare
    from vaiven.models.text.ngrams import ngram_ids
    from vaiven.models.text.tokenization import token_table, tokenize, tokens_to_ids
    from vaiven.models.training.trainer import train
    from vaiven.pipeline.config import configure

    config = configure('reviews', [f'training.augment={augment}'])
    with tempfile.TemporaryDirectory(prefix='vaiven-benchmark-') as folder:
        files = prepare(fold, config, Path(folder))
        network = train(
            config.network,
            config.training,
            files.vocabulary,
            [files.train],
            [files.validation],
            text=config.text,
        )
    table = token_table(files.vocabulary)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def answer(texts: tf.Tensor) -> tf.Tensor:
        ids = tokens_to_ids(tokenize(texts, config.text, table), table).to_tensor()
        ngrams = ngram_ids(texts, config.text).to_tensor()
        return tf.sigmoid(network.label_logits(tf.cast(ids, tf.int32), tf.cast(ngrams, tf.int32)))

    def predict(texts: Sequence[str]) -> np.ndarray:
        parts = [answer(tf.constant(list(texts[start : start + 64]))) for start in range(0, len(texts), 64)]
        return np.concatenate([np.ravel(part) for part in parts])

    return predict


if __name__ == '__main__':
    main()
