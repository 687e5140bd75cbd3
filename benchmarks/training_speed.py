"""Training speed in tokens per second, compared with plain `fit` on one padded array.

    python -m benchmarks.training_speed [--quick] [--set a.b=c]

The same rows, network and loss in one process, in turns; padding does not count as tokens:

\b
    ours         the training of `vaiven run`: length buckets, this project's LSTM, Adam in one pass
    padded       `fit` on all rows padded to the longest, otherwise the same
    plain        the same with Keras' own LSTM and Adam

and, if PyTorch is installed, its `nn.LSTM` compared with this project's and Keras' layer on the same batch shapes.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import report
from benchmarks.corpora import Review, reviews
from benchmarks.lstm_layers import keras_lstm, our_lstm, torch_lstm

SEED = 7
QUICK_ROWS, FULL_ROWS = 1_280, 5_120
QUICK_REPEATS, FULL_REPEATS = 3, 9
RATIOS = (
    ('ours', 'plain'), ('ours', 'padded'), ('our_lstm', 'torch_lstm'), ('keras_lstm', 'torch_lstm'),
)  # fmt: skip


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Fewer rows and repeats; the same code.')
@click.option('--set', 'settings', multiple=True, metavar='NAME=VALUE', help='As for `vaiven run --set`.')
@click.option('--preset', default='reviews', show_default=True)
def main(quick: bool, settings: tuple[str, ...], preset: str) -> None:
    report.quiet_libraries()
    from vaiven.models.training.hardware import share_cores
    from vaiven.pipeline.config import configure

    config = configure(preset, settings)
    share_cores(config.network)
    rows = [row for row in reviews('vader') if row.label is not None]
    rows = rows[: QUICK_ROWS if quick else FULL_ROWS]
    repeats = QUICK_REPEATS if quick else FULL_REPEATS
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='vaiven-benchmark-') as folder:
        runs, shape = contestants(rows, config, Path(folder))
        report.say(
            f'{len(rows)} film sentences, {shape["tokens"]} tokens, the longest {shape["longest"]}; '
            f'{repeats} passes each, in turns, after one that is not timed'
        )
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for repeat in range(repeats + 1):
            for name, run in runs.items():
                begun = time.perf_counter()
                run()
                if repeat:
                    seconds[name].append(time.perf_counter() - begun)
    speed = {name: [shape['tokens'] / each for each in values] for name, values in seconds.items()}
    ratio = {
        f'{ours} / {theirs}': report.spread([a / b for a, b in zip(speed[ours], speed[theirs], strict=True)])
        for ours, theirs in RATIOS if theirs in speed
    }  # fmt: skip
    for name, values in speed.items():
        report.say(f'{name:>16}: {np.mean(values):8.0f} tokens/s')
    for name, figures in ratio.items():
        report.say(f'{name}: {figures["mean"]:.2f} (sd {figures["sd"]:.2f})')
    report.conclude(
        {
            'benchmark': 'training_speed', 'quick': quick, 'preset': preset, 'settings': settings, **shape,
            'tokens_a_second': {name: report.spread(values) for name, values in speed.items()},
            'ratios': ratio, 'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def contestants(
    rows: list[Review], config: Any, folder: Path
) -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """Returns the functions to time, by name (each call is one pass over the rows), and the size of the data."""
    import keras
    import tensorflow as tf

    from benchmarks.folds import Fold
    from benchmarks.prepared import labels_of, prepare
    from vaiven.models.data import dataset

    files = prepare(Fold(rows, [], [], []), config, folder)
    read = dataset.read_examples([files.train]).cache()
    ids = [row.numpy() for row, _ in read]
    longest = max(len(row) for row in ids)
    batch_size = config.training.batch_size
    labelled = keras.utils.pad_sequences(ids, longest, padding='post'), np.array(labels_of(rows), np.float32)
    shuffled = tf.data.Dataset.from_tensor_slices(labelled).shuffle(len(rows), SEED)
    padded = dataset.without_autotune(shuffled.batch(batch_size))  # as the others, for a fair comparison
    bucketed = dataset.training_batches(read, batch_size, longest, SEED)
    ours, same, plain = (_network(config, len(files.vocabulary), plain) for plain in (False, False, True))
    runs: dict[str, Callable[[], Any]] = {
        'ours': lambda: ours.fit(bucketed, shuffle=False, verbose=0),
        'padded': lambda: same.fit(padded, shuffle=False, verbose=0),
        'plain': lambda: plain.fit(padded, shuffle=False, verbose=0),
    }
    if importlib.util.find_spec('torch'):
        batch_shapes = [tuple(batch.shape) for batch, _ in bucketed]
        sizes = config.network.embedding_size, config.network.units
        runs['our_lstm'] = our_lstm(batch_shapes, *sizes)
        runs['keras_lstm'] = keras_lstm(batch_shapes, *sizes)
        runs['torch_lstm'] = torch_lstm(batch_shapes, *sizes)
    shape = {
        'rows': len(rows), 'tokens': sum(map(len, ids)), 'longest': longest, 'batch_size': batch_size,
        'vocabulary': len(files.vocabulary),
    }  # fmt: skip
    return runs, shape


def _network(config: Any, vocabulary_size: int, plain: bool) -> Any:
    import keras

    from vaiven.models.network.objective import JointNetwork
    from vaiven.models.training.training_loop import AveragingAdam

    network = JointNetwork(
        config.network, vocabulary_size, language_weight=config.training.language_weight,
        softmax_candidates=config.training.softmax_candidates, seed=SEED, use_cudnn=False if plain else 'auto',
    )  # fmt: skip
    adam = keras.optimizers.Adam if plain else AveragingAdam
    network.compile(
        optimizer=adam(config.training.learning_rate, global_clipnorm=config.training.clip_norm),
        jit_compile=False,
    )
    return network


if __name__ == '__main__':
    main()
