"""Rows as Transform writes them, without Transform."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vaiven.label_spec import NO_CLASS

VOCABULARY = tuple(str(number) for number in range(32))


def write_rows(
    path,
    texts: Sequence[Sequence[int]],
    labels: Sequence[int | Sequence[int]],
    ratings: Sequence[float] = (),
    probabilities: Sequence[Sequence[float]] = (),
) -> str:
    """A gzipped TFRecord file of texts, token ids without `[BOS]` and `[EOS]`; a rating is NaN where there is none.

    The label of a multilabel row is a list.
    """
    with tf.io.TFRecordWriter(str(path), 'GZIP') as writer:
        ratings = ratings or [float('nan')] * len(labels)
        probabilities = probabilities or [()] * len(labels)
        for text, label, rating, shares in zip(texts, labels, ratings, probabilities, strict=True):
            example = tf.train.Example()
            features = example.features.feature
            several = [label] if isinstance(label, int) else label
            features['ids'].int64_list.value.extend([2, *map(int, text), 3])
            features['label'].int64_list.value.extend(several)
            features['position'].int64_list.value.append(-1)
            features['rating'].float_list.value.append(rating)
            features['probabilities'].float_list.value.extend(shares)
            if several not in ([], [-1]) or shares:
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


def texts_of_classes(
    kind: str, count: int, seed: int = 0, classes: int = 3
) -> tuple[list[list[int]], list[int] | list[list[int]]]:
    """Texts of 1 to 15 tokens, and their labels: the token 4 + c says that a text belongs to the class c."""
    draw = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        own = (
            [c for c in range(classes) if draw.random() < 0.4]
            if kind == 'multilabel'
            else [draw.integers(classes)]
        )
        text = [*draw.integers(4 + classes, 30, draw.integers(1, 12)), *(4 + c for c in own)]
        texts.append(list(map(int, draw.permutation(text))))
        labels.append((list(map(int, own)) or [NO_CLASS]) if kind == 'multilabel' else int(own[0]))
    return texts, labels
