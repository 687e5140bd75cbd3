"""Text generation: the paper's recipe and the preset `novel`, on the same text, with the same number of steps.

    python -m benchmarks.novel [--quick] [--set a.b=c]

Compares the presets `novel_paper` and `novel` of `vaiven run`; the text is in lower case with single spaces for both.
Bits per character are measured on four held-out novels. The paper's model is evaluated in two ways, with windows that
start from the initial state, as in its training, and with its state kept; the better result counts. Then both
generate a continuation of the same 60 characters of the training text.
"""

import time
from typing import Any, NamedTuple

import click
import numpy as np

from benchmarks import report
from benchmarks.corpora import MissingDataError, novels
from benchmarks.language import HELD_OUT, divide

WRITTEN = 1000


class Size(NamedTuple):
    """Sizes of the benchmark.

    Attributes:
        characters: of training text.
        epochs: of the paper's recipe; the preset `novel` takes the same number of steps.
        held_out: characters of each held-out novel.
    """

    characters: int
    epochs: int
    held_out: int


FULL, QUICK = Size(75_000, 2, 10_000), Size(25_000, 1, 1_000)
# Of the preset `novel` for so short a text, chosen on the validation novels.
OURS = (
    'network.dropout=0.4', 'network.weight_dropout=0.3', 'training.batch_size=32', 'training.window=64',
    'training.learning_rate=0.012', 'training.weight_averaging=0.99',
)  # fmt: skip
COMMON = ('vocabulary.min_count=1', 'text.lowercase=true')


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Less text and fewer steps; the same code.')
@click.option('--set', 'settings', multiple=True, metavar='NAME=VALUE', help='For the preset `novel`.')
def main(quick: bool, settings: tuple[str, ...]) -> None:
    report.quiet_libraries()
    report.show_progress()
    started = time.monotonic()
    size = QUICK if quick else FULL
    try:
        corpus = divide(novels(), size.held_out)
    except MissingDataError as missing:
        report.say(str(missing))
        report.conclude({'benchmark': 'novel', 'skipped': str(missing)})
        return
    from benchmarks.novel_writer import NovelWriter

    text = corpus.training_text(size.characters)
    configs, steps = _configs(len(text), size.epochs, settings)
    window = configs['paper'].training.window
    report.say(f'{len(text)} characters; steps: {steps}; held out: {", ".join(HELD_OUT)}')
    found: dict[str, dict[str, Any]] = {}
    models: dict[str, NovelWriter] = {}
    for name, config in configs.items():
        begun = time.monotonic()
        models[name] = NovelWriter.fit(config, text, corpus.validation)
        seconds = time.monotonic() - begun
        ways = {'state kept': [models[name].surprisal(novel)[window:] for novel in corpus.held_out]}
        if config.training.targets == 'last':
            ways['by windows'] = [
                models[name].surprisal_by_windows(novel, window) for novel in corpus.held_out
            ]
        figures = {way: report.spread([float(each.mean()) for each in bits]) for way, bits in ways.items()}
        best = min(figures, key=lambda way: figures[way]['mean'])
        found[name] = {
            'bits_per_character': figures[best]['mean'], 'asked': best, 'ways': figures, 'steps': steps[name],
            'training_seconds': seconds,
        }  # fmt: skip
        for way, each in figures.items():
            report.say(
                f'{name:>6}, {way}: {each["mean"]:.3f} ± {each["sd"]:.3f} bits a character ({seconds:.0f} s)'
            )
    fewer = 1 - found['ours']['bits_per_character'] / found['paper']['bits_per_character']
    report.say(f'the preset novel needs {fewer:.1%} fewer bits')
    report.conclude(
        {
            'benchmark': 'novel', 'quick': quick, 'settings': settings, 'characters': len(text),
            'held_out': HELD_OUT, 'held_out_characters': sum(len(novel) - window for novel in corpus.held_out),
            'fewer_bits': fewer, **found, 'written': _write(models, text, window),
            'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def _configs(
    characters: int, epochs: int, settings: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, int]]:
    """Returns both configurations and their steps; `novel` gets epochs for at most the same number of steps."""
    from vaiven.models.data.text_windows import SlidingWindows, StatefulWindows
    from vaiven.pipeline.config import configure

    ids = np.zeros(characters + 1, np.int32)
    paper = configure('novel_paper', [*COMMON, f'training.epochs={epochs}'])
    steps = epochs * SlidingWindows(ids, paper.training.batch_size, paper.training.window).steps
    ours = configure('novel', [*COMMON, *OURS, *settings]).training
    a_pass = StatefulWindows(ids, ours.batch_size, ours.window, shift=True).steps
    passes = max(1, steps // a_pass)
    return (
        {
            'paper': paper,
            'ours': configure('novel', [*COMMON, *OURS, *settings, f'training.epochs={passes}']),
        },
        {'paper': steps, 'ours': passes * a_pass},
    )


def _write(models: dict[str, Any], text: str, window: int) -> dict[str, Any]:
    """Generates continuations of one prompt in each way; measures their variety and the longest copy."""
    from vaiven.components.language_evaluation.originality import distinct_n, longest_copied_passage
    from vaiven.serving.common.defaults import TEMPERATURE, TOP_P

    start = int(np.random.default_rng(0).integers(len(text) - window))
    begin = text[start : start + window]
    likeliest = {'temperature': 0.0, 'top_p': 1.0, 'top_k': 0, 'no_repeat': 0, 'seed': 1}
    ways = {
        'paper, likeliest': models['paper'].write_by_windows(begin, WRITTEN),
        'ours, likeliest': models['ours'].write(begin, WRITTEN, **likeliest),
        'ours, likeliest, no 20 repeated': models['ours'].write(begin, WRITTEN, **{**likeliest, 'no_repeat': 20}),
        'ours, drawn': models['ours'].write(
            begin, WRITTEN, **{**likeliest, 'temperature': TEMPERATURE, 'top_p': TOP_P}
        ),
    }  # fmt: skip
    found = {}
    report.say(f'after «{begin}»')
    for way, written in ways.items():
        shares = [distinct_n([written], n) for n in (1, 2, 3)]
        copied = longest_copied_passage([written], [text])
        found[way] = {'distinct': shares, 'copied': copied, 'copied_characters': len(copied), 'text': written}
        report.say(
            f'{way}: distinct-1, 2, 3: {" ".join(f"{share:.2f}" for share in shares)}; {len(copied)} characters '
            f'copied at most\n    {written[:200]}…'
        )
    return found


if __name__ == '__main__':
    main()
