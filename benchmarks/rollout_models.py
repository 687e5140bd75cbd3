"""Versions of a small model for rollouts: a good one, and versions with a planted fault. Needs TensorFlow.

    python -m benchmarks.rollout_models DIR        # writes DIR/<kind> for every kind

A text is `good …` or `bad …`; the stable version predicts positive for the first and negative for the second. The
effect of a kind on a text depends on a hash of the text, so the same text always has the same prediction.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUCKETS = 10_000
WORK = 60  # products of matrices in each request
# Share of rows whose label contradicts the stable version.
NOISE = 0.15


@dataclass(frozen=True)
class Kind:
    """Differences from the stable version.

    Attributes:
        flipped: share of texts with the opposite label.
        shifted: difference of the scores.
        failing: share of texts that fail.
        work: number of matrix products.
    """

    flipped: float = 0.0
    shifted: float = 0.0
    failing: float = 0.0
    work: int = WORK


def of_accuracy(points: float) -> float:
    """Returns the share of texts to flip for a drop in accuracy, in points: some flips hit wrong labels."""
    return points / 100 / (1 - 2 * NOISE)


KINDS = {
    'stable': Kind(),
    'good': Kind(flipped=0.005, shifted=0.01),
    # A response takes longer than its work, so which of these is 1.5 times as slow has to be measured.
    **{f'slower_{times}': Kind(work=round(WORK * times)) for times in (1.5, 1.75, 2.0, 2.5)},
    'less_accurate': Kind(flipped=of_accuracy(3)),
    'failing': Kind(failing=0.01),
    'swapped': Kind(flipped=1.0),
}


def save(folder: Path, kind: Kind) -> None:
    """Writes a SavedModel with `serving_default`: text (n) to label and probability (n)."""
    import tensorflow as tf

    class Version(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = tf.Variable(tf.random.normal([96, 96], seed=0))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'text')])
        def serve(self, text: Any) -> dict[str, Any]:
            def share(salt: str) -> Any:
                buckets = tf.strings.to_hash_bucket_fast(tf.strings.join([salt, text]), BUCKETS)
                return tf.cast(buckets, tf.float32) / BUCKETS

            rule = tf.debugging.Assert(
                tf.reduce_all(share('failing') >= kind.failing), ['cannot read this text:', text]
            )
            product = tf.eye(96)
            for _ in tf.range(kind.work):
                product = tf.tanh(product @ self.matrix)
            with tf.control_dependencies([rule]):
                positive = tf.strings.regex_full_match(text, 'good.*')
            positive = tf.not_equal(positive, share('flipped') < kind.flipped)
            score = tf.where(positive, 0.9, 0.1) + 0.05 * share('score') + kind.shifted
            nothing = 0.0 * product[0, 0]  # else the work would be left out
            return {'label': tf.where(positive, 'positive', 'negative'), 'probability': score + nothing}

    module = Version()
    tf.saved_model.save(module, str(folder), signatures={'serving_default': module.serve})


def rows(count: int) -> list[tuple[str, str]]:
    """Texts with labels, half of each class; a share of `NOISE` contradicts the stable version."""
    from vaiven.serving.common.split import place_of

    made = []
    for number in range(count):
        good = number % 2 == 0
        right = place_of(f'label {number}') >= 100 * NOISE
        text = f'{"good" if good else "bad"} película n.º {number}'
        made.append((text, 'positive' if good == right else 'negative'))
    return made


if __name__ == '__main__':
    for name, kind in KINDS.items():
        save(Path(sys.argv[1]) / name, kind)
    print(json.dumps({'done': True}), flush=True)
