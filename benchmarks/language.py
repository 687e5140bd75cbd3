"""Bits per character on held-out Spanish novels: this project's model, Kneser-Ney and PPM.

    python -m benchmarks.language [--quick] [--size CHARACTERS] [--set a.b=c] [--without-ours]

All models read the same text, in lower case with single spaces. The orders of the baselines are chosen on the
validation novels. Kneser-Ney is static; PPM keeps learning from the held-out text. Our model is measured in both ways:
as it is, and with dynamic evaluation (`adapted`).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from benchmarks import report
from benchmarks.corpora import MissingDataError, novels

HELD_OUT = (
    'BlascoIbanez_Barraca-ne0164', 'Galdos_Tristana-ne0005', 'Unamuno_Niebla-ne0073', 'Valle_SonataEstio-ne0014',
)  # fmt: skip
VALIDATION = ('Bazan_Pazos-ne0077', 'Miro_Amigo-ne0044')
KNESER_NEY_ORDERS = range(4, 10)
PPM_ORDERS = range(4, 8)


class Size(NamedTuple):
    """Size of the training text and length of the training.

    Attributes:
        characters: of training text; 0 for all.
        settings: of the network for this size.
        epochs: of the network.
    """

    characters: int
    settings: tuple[str, ...]
    epochs: int


OURS = (
    'text.unit=character', 'text.max_tokens=2500', 'vocabulary.min_count=1', 'training.task=language',
    'network.bidirectional=false',
    'network.token_dropout=0', 'network.embedding_size=64', 'training.softmax_candidates=0',
)  # fmt: skip
SIZES = (
    Size(
        75_000,
        (
            'network.units=256',
            'network.dropout=0.4',
            'network.weight_dropout=0.3',
            'training.batch_size=8',
            'training.window=64',
            'training.learning_rate=0.004',
            'training.weight_averaging=0.99',
        ),
        epochs=40,
    ),
    Size(
        300_000,
        (
            'network.units=384',
            'network.dropout=0.3',
            'network.weight_dropout=0.2',
            'training.batch_size=8',
            'training.learning_rate=0.003',
            'training.weight_averaging=0.995',
        ),
        epochs=20,
    ),
    Size(
        2_000_000,
        (
            'network.units=512',
            'network.dropout=0.1',
            'network.weight_dropout=0.1',
            'training.batch_size=16',
            'training.window=64',
            'training.learning_rate=0.002',
            'training.weight_averaging=0.999',
        ),
        epochs=18,
    ),
    Size(
        0,
        (
            'network.units=512',
            'network.dropout=0.05',
            'network.weight_dropout=0.05',
            'training.batch_size=16',
            'training.window=64',
            'training.learning_rate=0.002',
            'training.weight_averaging=0.999',
        ),
        epochs=3,
    ),
)
QUICK_SIZES = (
    Size(75_000, ('network.units=128', 'network.dropout=0.2', *SIZES[0].settings[2:]), epochs=10),
    Size(300_000, ('network.units=192', 'network.dropout=0.1', *SIZES[1].settings[2:]), epochs=2),
)
HELD_OUT_CHARACTERS, QUICK_HELD_OUT_CHARACTERS = 100_000, 20_000  # of each novel


class Novels(NamedTuple):
    """Training, validation and held-out text in lower case with single spaces."""

    train: list[str]
    validation: str
    held_out: list[str]

    def training_text(self, characters: int) -> str:
        """Takes the same amount from the start of each training novel; 0 takes everything."""
        share = characters // len(self.train)
        return ' '.join(text[: share - 1] if share else text for text in self.train)


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Less text and fewer epochs; the same code.')
@click.option(
    '--size',
    'only',
    type=int,
    multiple=True,
    metavar='CHARACTERS',
    help='Only this size of training text; 0: all.',
)
@click.option('--set', 'settings', multiple=True, metavar='NAME=VALUE', help='As for `vaiven run --set`.')
@click.option('--without-ours', is_flag=True, help='Only the baselines.')
def main(quick: bool, only: tuple[int, ...], settings: tuple[str, ...], without_ours: bool) -> None:
    report.quiet_libraries()
    report.show_progress()
    started = time.monotonic()
    try:
        corpus = divide(novels(), QUICK_HELD_OUT_CHARACTERS if quick else HELD_OUT_CHARACTERS)
    except MissingDataError as missing:
        report.say(str(missing))
        report.conclude({'benchmark': 'language', 'skipped': str(missing)})
        return
    report.say(f'held out: {", ".join(HELD_OUT)}; validation: {", ".join(VALIDATION)}')
    sizes = []
    for size in QUICK_SIZES if quick else SIZES:
        if only and size.characters not in only:
            continue
        contestants: dict[str, Callable[[Novels, Size], dict[str, Any]]]
        contestants = {'kneser_ney': _kneser_ney, 'ppm': _ppm}
        if not without_ours:
            contestants['vaiven'] = lambda novels, size: _ours(novels, size, settings)
        figures = {}
        for name, contestant in contestants.items():
            begun = time.monotonic()
            figures[name] = contestant(corpus, size)
            figures[name]['seconds'] = time.monotonic() - begun
            report.say(
                f'{size.characters or "all":>9} characters, {name:>10}: {figures[name]["bits_per_character"]:.3f} '
                f'bits a character  ({figures[name]["seconds"]:.0f} s)'
            )
        if 'vaiven' in figures:
            adapted = figures['vaiven']['adapted']
            report.say(
                f'{"":>20}    adapted: {adapted["bits_per_character"]:.3f} bits a character  '
                f'({adapted["seconds"]:.0f} s of them)'
            )
            for measured in (figures['vaiven'], adapted):
                for name in ('kneser_ney', 'ppm'):
                    ratio = measured['bits_per_character'] / figures[name]['bits_per_character']
                    measured[f'over_{name}'] = ratio
        sizes.append({'characters': size.characters, **figures})
    report.conclude(
        {
            'benchmark': 'language', 'quick': quick, 'settings': settings, 'held_out': HELD_OUT,
            'validation': VALIDATION, 'held_out_characters': sum(map(len, corpus.held_out)), 'sizes': sizes,
            'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def divide(texts: Mapping[str, str], held_out_characters: int) -> Novels:
    """Divides the novels; of held-out novels, takes the given number of characters from the middle."""

    def middle(name: str) -> str:
        text = _plain(texts[name])
        start = max(0, (len(text) - held_out_characters) // 2)
        return text[start : start + held_out_characters]

    return Novels(
        [_plain(text) for name, text in texts.items() if name not in (*HELD_OUT, *VALIDATION)],
        ' '.join(middle(name) for name in VALIDATION),
        [middle(name) for name in HELD_OUT],
    )


def _plain(text: str) -> str:
    return ' '.join(text.lower().split())


def _kneser_ney(corpus: Novels, size: Size) -> dict[str, Any]:
    from benchmarks.baselines.kneser_ney import KneserNey, choose_order

    text = corpus.training_text(size.characters)
    order, bits = choose_order(text, corpus.validation, KNESER_NEY_ORDERS)
    model = KneserNey(order).fit(text)
    return {**_over_novels(model.bits_per_character, corpus), 'order': order, 'validation_bits': bits}


def _ppm(corpus: Novels, size: Size) -> dict[str, Any]:
    from benchmarks.baselines.ppm import Ppm, choose_order

    text = corpus.training_text(size.characters)
    order, bits = choose_order(text, corpus.validation, PPM_ORDERS)
    # A new model per novel: learning from one novel does not help with the next.
    measured = _over_novels(lambda novel: Ppm(order).learn(text).bits_per_character(novel), corpus)
    return {**measured, 'order': order, 'validation_bits': bits}


def _ours(corpus: Novels, size: Size, settings: tuple[str, ...]) -> dict[str, Any]:
    from benchmarks.character_model import CharacterModel
    from vaiven.pipeline.config import configure

    config = configure(settings=(*OURS, *size.settings, f'training.epochs={size.epochs}', *settings))
    model = CharacterModel.fit(config, corpus.training_text(size.characters), corpus.validation)
    static = _over_novels(model.bits_per_character, corpus)
    begun = time.monotonic()
    # The weights start from those of the training for each novel, as PPM does.
    adapted = _over_novels(model.adapted_bits_per_character, corpus)
    return {
        **static,
        'adapted': {**adapted, 'seconds': time.monotonic() - begun},
        'settings': size.settings,
        'epochs': size.epochs,
    }


def _over_novels(bits_of: Callable[[str], float], corpus: Novels) -> dict[str, Any]:
    """Bits per character of each novel, and over all their characters."""
    bits = [bits_of(novel) for novel in corpus.held_out]
    characters = [len(novel) for novel in corpus.held_out]
    whole = sum(b * n for b, n in zip(bits, characters, strict=True)) / sum(characters)
    return {'bits_per_character': whole, 'each_novel': report.spread(bits)}


if __name__ == '__main__':
    main()
