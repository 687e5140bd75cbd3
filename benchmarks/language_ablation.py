"""Effect of each technique on the character language model: all techniques, then each removed or added.

    python -m benchmarks.language_ablation [--quick] [--only NAME]

Uses the smallest size of `benchmarks.language` with its settings and fewer epochs; all variants use the same seeds.
Measured on the validation novels: the held-out novels are for the final figures only.
"""

import time
from typing import Any

import click

from benchmarks import report
from benchmarks.corpora import MissingDataError, novels
from benchmarks.language import OURS, SIZES, divide

VARIANTS: dict[str, tuple[str, ...]] = {
    'all': (),
    'new dropout mask at each step': ('network.locked_dropout=false',),
    'no dropout': ('network.dropout=0', 'network.weight_dropout=0'),
    'no weight dropout': ('network.weight_dropout=0',),
    'with vocabulary dropout': ('network.embedding_dropout=0.05',),
    'with token dropout': ('network.token_dropout=0.05',),
    'no weight averaging': ('training.weight_averaging=0',),
    'no clipping': ('training.clip_norm=1000000',),
    'one-hot input, softmax of its own': ('network.embedding_size=0',),
    'two directions': ('network.bidirectional=true',),
    'two layers': ('network.layers=2',),
    'simple_rnn': ('network.cell=simple_rnn',),
    'gru': ('network.cell=gru',),
    'gru_reset_before': ('network.cell=gru_reset_before',),
    'peephole_lstm': ('network.cell=peephole_lstm',),
    'coupled_lstm': ('network.cell=coupled_lstm',),
    'peephole_coupled_lstm': ('network.cell=peephole_coupled_lstm',),
    'full_peephole_lstm': ('network.cell=full_peephole_lstm',),
    'mogrifier_lstm': ('network.cell=mogrifier_lstm',),
    'slstm': ('network.cell=slstm',),
    'min_gru': ('network.cell=min_gru',),
    'min_lstm': ('network.cell=min_lstm',),
}
EPOCHS, QUICK_EPOCHS = 12, 4
SEEDS, QUICK_SEEDS = 2, 1
QUICK_VARIANTS = ('all', 'no dropout', 'no weight averaging', 'gru')
VALIDATION_CHARACTERS = 100_000


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Fewer variants, epochs and seeds; the same code.')
@click.option(
    '--only', multiple=True, type=click.Choice(list(VARIANTS)), help='Only this variant; can be repeated.'
)
def main(quick: bool, only: tuple[str, ...]) -> None:
    report.quiet_libraries()
    started = time.monotonic()
    try:
        corpus = divide(novels(), VALIDATION_CHARACTERS)
    except MissingDataError as missing:
        report.say(str(missing))
        report.conclude({'benchmark': 'language_ablation', 'skipped': str(missing)})
        return
    size = SIZES[0]
    text, validation = corpus.training_text(size.characters), corpus.validation[:VALIDATION_CHARACTERS]
    epochs, seeds = (QUICK_EPOCHS, QUICK_SEEDS) if quick else (EPOCHS, SEEDS)
    names = only or (QUICK_VARIANTS if quick else tuple(VARIANTS))
    report.say(
        f'{size.characters} characters, {epochs} epochs, seeds 0-{seeds - 1}: {" ".join(size.settings)}'
    )
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        settings = (*OURS, *size.settings, f'training.epochs={epochs}', *VARIANTS[name])
        begun = time.monotonic()
        bits = [_bits((*settings, f'training.seed={seed}'), text, validation) for seed in range(seeds)]
        figures = report.spread(bits)
        found[name] = {**figures, 'seconds': (time.monotonic() - begun) / seeds, 'settings': VARIANTS[name]}
        report.say(
            f'{name:>34}: {figures["mean"]:.3f} ± {figures["sd"] or 0:.3f} bits a character  '
            f'({found[name]["seconds"]:.0f} s)'
        )
    report.conclude(
        {
            'benchmark': 'language_ablation', 'quick': quick, 'characters': size.characters, 'epochs': epochs,
            'seeds': seeds, 'settings': size.settings, 'bits_per_character': found,
            'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def _bits(settings: tuple[str, ...], text: str, validation: str) -> float:
    from benchmarks.character_model import CharacterModel
    from vaiven.pipeline.config import configure

    return CharacterModel.fit(configure(settings=settings), text, validation).bits_per_character(validation)


if __name__ == '__main__':
    main()
