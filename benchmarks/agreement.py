"""Spanish agreement in number and gender over 0, 1 and 2 distractors: this project's language model and a 5-gram.

    python -m benchmarks.agreement [--quick] [--set a.b=c] [--on validation] [--keep FOLDER]

Both are trained on the same words of the novels that are not held out. A pair counts as correct if the word that
agrees with the subject is more probable than the other word. This is measured in two ways: for the critical word after
the same prefix (Linzen et al. 2016), which is harder, and for the whole sentence, where the following words count too
(Warstadt et al. 2020). The held-out novels are used for the perplexities only.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks import report
from benchmarks.agreement_pairs import (
    DISTRACTORS,
    FEATURES,
    PAIRS_A_CELL,
    SEED,
    Pair,
    Part,
    pairs,
    word_lists,
    words_of,
)
from benchmarks.corpora import MissingDataError, novels

OURS = (
    'text.max_tokens=100000', 'vocabulary.min_count=1', 'vocabulary.max_size=16000', 'training.task=language',
    'network.bidirectional=false', 'network.token_dropout=0', 'network.units=400',
    'network.embedding_size=200', 'network.subword_buckets=32768', 'network.dropout=0.3', 'network.weight_dropout=0.2',
    'training.batch_size=64', 'training.window=32', 'training.learning_rate=0.004', 'training.softmax_candidates=512',
    'training.epochs=8', 'training.weight_averaging=0.999',
)  # fmt: skip
QUICK = (
    'vocabulary.max_size=10000', 'network.units=256', 'network.embedding_size=128', 'training.epochs=3',
    'training.batch_size=32', 'network.dropout=0.2', 'network.weight_dropout=0', 'training.weight_averaging=0',
)  # fmt: skip
WORDS, QUICK_WORDS = 10**9, 800_000
MEASURED_WORDS, QUICK_MEASURED_WORDS = 60_000, 20_000
WAYS = ('word', 'sentence')
_Z = 1.959964  # 95 % of a normal distribution lie within


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Less text and a smaller network; the same code and pairs.')
@click.option('--set', 'settings', multiple=True, metavar='NAME=VALUE', help='As for `vaiven run --set`.')
@click.option(
    '--on',
    type=click.Choice(['test', 'validation']),
    default='test',
    show_default=True,
    help='Pairs of other nouns and the validation novels, for choosing settings.',
)
@click.option(
    '--keep', type=click.Path(path_type=Path, file_okay=False), metavar='FOLDER',
    help='Keep the training in this folder: a killed training resumes, a finished one is only evaluated.',
)  # fmt: skip
def main(quick: bool, settings: tuple[str, ...], on: Part, keep: Path | None) -> None:
    report.quiet_libraries()
    report.show_progress()
    started = time.monotonic()
    try:
        texts = novels()
    except MissingDataError as missing:
        report.say(str(missing))
        report.conclude({'benchmark': 'agreement', 'skipped': str(missing)})
        return
    from benchmarks.agreement_models import FiveGram, OurModel, margins, read_corpus
    from vaiven.pipeline.config import configure

    config = configure(settings=(*OURS, *(QUICK if quick else ()), *settings))
    words = (QUICK_WORDS, QUICK_MEASURED_WORDS) if quick else (WORDS, MEASURED_WORDS)
    corpus = read_corpus(texts, config, *words)
    # The 5-gram always uses words, even if the model uses wordpieces or characters.
    of_words = config.text.unit == 'word'
    counted = corpus if of_words else read_corpus(texts, configure(settings=OURS), *words)
    tested = pairs(word_lists(on))
    known = set(counted.vocabulary)
    missing_words = sorted(words_of(tested) - known)
    tested = [pair for pair in tested if words_of([pair]) <= known]
    report.say(
        f'{len(corpus.train)} tokens to learn from, {len(corpus.vocabulary)} known, {corpus.unknown:.1%} unknown; '
        f'{len(tested)} pairs, without those with {", ".join(missing_words) or "no word"}'
    )
    begun = time.monotonic()
    five_gram = FiveGram(counted)
    between = time.monotonic()
    contestants = {'five_gram': five_gram, 'vaiven': OurModel.fit(config, corpus, keep)}
    seconds = {'five_gram': between - begun, 'vaiven': time.monotonic() - between}
    answers = {
        name: {way: margins(model, tested, sentence=way == 'sentence') > 0 for way in WAYS}
        for name, model in contestants.items()
    }
    texts_of = {'five_gram': counted, 'vaiven': corpus}
    perplexity = {
        name: model.perplexity(texts_of[name].held_out if on == 'test' else texts_of[name].validation)
        for name, model in contestants.items()
    }
    for name in contestants:
        report.say(
            f'{name:>10}: perplexity {perplexity[name]:.0f} on the {on} novels ({seconds[name]:.0f} s)'
        )
    cells = cells_of(tested, answers)
    for cell in cells:
        report.say(
            f'{cell["feature"]:>7}, {cell["distractors"]} distractors, {cell["pairs"]} pairs:  '
            + ';  '.join(
                f'{name} {_percent(cell[name]["word"])}, sentence {_percent(cell[name]["sentence"])}'
                for name in contestants
            )
        )
    report.conclude(
        {
            'benchmark': 'agreement', 'quick': quick, 'on': on, 'settings': settings, 'seed': SEED,
            'pairs': len(tested),
            'pairs_a_cell': PAIRS_A_CELL, 'unknown_words': missing_words, 'training_tokens': len(corpus.train),
            'unit': config.text.unit, 'vocabulary': len(corpus.vocabulary), 'perplexity': perplexity,
            'training_seconds': seconds, 'cells': cells,
            'above_five_gram_in_every_cell': {
                way: all(cell['vaiven'][way]['accuracy'] > cell['five_gram'][way]['accuracy'] for cell in cells)
                for way in WAYS
            },
            'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def cells_of(tested: Sequence[Pair], answers: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Computes the accuracy of each model for each feature and number of distractors.

    Args:
        tested: the pairs.
        answers: by model and kind of evaluation, whether each pair is correct, bool (pairs).
    """
    cells = []
    for feature in FEATURES:
        for distractors in DISTRACTORS:
            inside = [(p.feature, p.distractors) == (feature, distractors) for p in tested]
            count = sum(inside)
            cell: dict[str, Any] = {'feature': feature, 'distractors': distractors, 'pairs': count}
            for name, ways in answers.items():
                goods = {
                    way: sum(bool(r) for r, here in zip(right, inside, strict=True) if here)
                    for way, right in ways.items()
                }
                cell[name] = {
                    way: {'accuracy': good / count if count else None, 'interval': wilson(good, count)}
                    for way, good in goods.items()
                }
            cells.append(cell)
    return cells


def wilson(good: int, count: int) -> tuple[float, float]:
    """Computes the 95 % interval of a share (Wilson 1927); 0 to 1 without pairs."""
    if not count:
        return 0.0, 1.0
    share, squared = good / count, _Z**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = _Z * math.sqrt(share * (1 - share) / count + squared / (4 * count**2)) / (1 + squared / count)
    return middle - half, middle + half


def _percent(figures: dict[str, Any]) -> str:
    low, high = figures['interval']
    return f'{100 * (figures["accuracy"] or 0):.1f} % ({100 * low:.1f} to {100 * high:.1f})'


if __name__ == '__main__':
    main()
