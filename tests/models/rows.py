"""Rows as Transform writes them, without Transform."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

VOCABULARY = tuple(str(number) for number in range(32))


def write_rows(
    path, texts: Sequence[Sequence[int]], labels: Sequence[int], ratings: Sequence[float] = ()
) -> str:
    """A gzipped TFRecord file of texts, token ids without `[BOS]` and `[EOS]`; a rating is NaN where there is none."""
    with tf.io.TFRecordWriter(str(path), 'GZIP') as writer:
        ratings = ratings or [float('nan')] * len(labels)
        for text, label, rating in zip(texts, labels, ratings, strict=True):
            example = tf.train.Example()
            features = example.features.feature
            features['ids'].int64_list.value.extend([2, *map(int, text), 3])
            features['label'].int64_list.value.append(int(label))
            features['position'].int64_list.value.append(-1)
            features['rating'].float_list.value.append(rating)
            if label >= 0:
                features['ngrams'].int64_list.value.extend(ngrams_of(text))
            writer.write(example.SerializeToString())
    return str(path)


def ngrams_of(text: Sequence[int]) -> list[int]:
    """N-gram ids: each distinct token as a word and as a subword."""
    return [number for token in dict.fromkeys(map(int, text)) for number in (2 * token + 1, 2 * token + 2)]


def labelled_texts(count: int, seed: int = 0) -> tuple[list[list[int]], list[int]]:
    """Texts of 2 to 40 tokens; the last one, 30 or 31, is the label."""
    draw = np.random.default_rng(seed)
    labels = [int(draw.integers(0, 2)) for _ in range(count)]
    return [[*draw.integers(4, 30, draw.integers(1, 40)), 30 + label] for label in labels], labels
