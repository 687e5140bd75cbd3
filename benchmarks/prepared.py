"""Writes rows as the files that the training reads, and evaluates networks on them."""

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.corpora import Review
from benchmarks.folds import Fold
from vaiven.components.text_example_gen.local_files import open_local
from vaiven.components.vocabulary.token_selection import select_tokens
from vaiven.components.vocabulary.vectors.files import open_vectors
from vaiven.components.vocabulary.vectors.selection import select_vectors
from vaiven.label_spec import LabelSpec
from vaiven.models.data import dataset
from vaiven.models.data.labelled_rows import read_labelled_rows
from vaiven.models.data.preprocessing import IDS, LABEL, NAMES, NGRAMS, NO_LABEL, PROBABILITIES, RATING
from vaiven.models.network.network import Network
from vaiven.models.text.names import names
from vaiven.models.text.ngrams import ngram_ids
from vaiven.models.text.tokenization import BOS_ID, EOS_ID, UNK_ID, token_table, tokenize
from vaiven.models.text.vectors import TokenVectors
from vaiven.pipeline.config import Config

_TEXTS_AT_ONCE = 1024


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A fold as files of ids (gzipped TFRecords), with the vocabulary that gave them.

    `train` holds the rows without a label too; `teacher` the texts with the probabilities of a teacher; `vectors` are
    those of the vocabulary, if any were given.
    """

    vocabulary: list[str]
    train: str
    validation: str
    test: str
    teacher: str
    vectors: TokenVectors | None = None


def prepare(
    fold: Fold,
    config: Config,
    folder: Path,
    taught: Sequence[tuple[str, float]] = (),
    vectors: str | None = None,
    altered: int = 0,
) -> Prepared:
    """Builds the vocabulary on the training rows and the texts of a teacher, and writes every part with it.

    Args:
        fold: the rows.
        config: of the run.
        folder: where to write.
        taught: texts, and the probability of «positive» by a teacher.
        vectors: path of pre-trained vectors; None for none.
        altered: number of texts at the end of `taught` that the vocabulary does not count.
    """
    parts = {
        'train': [*fold.train, *fold.unlabelled],
        'validation': fold.validation,
        'test': fold.test,
        'teacher': [Review(text, None, '') for text, _ in taught],
    }
    texts = {name: [row.text for row in rows] for name, rows in parts.items()}
    heard = [*texts['train'], *texts['teacher'][: len(taught) - altered]]
    counts = collections.Counter(token for text in tokens_of(heard, config) for token in text)
    selection = select_tokens(counts.items(), config.vocabulary, config.text.unit)
    vocabulary, table = selection.tokens, None
    if vectors is not None:
        with open_vectors(vectors, open_local) as file:
            chosen = select_vectors(
                file, vocabulary, dict(selection.counts), config.vocabulary.vector_words, config.text
            )
        vocabulary = [*vocabulary, *chosen.read_only]
        table = TokenVectors(chosen.table, len(chosen.read_only), {})
    tokens = {name: tokens_of(part, config, vocabulary) for name, part in texts.items()}
    files = {
        name: write_rows(
            folder / f'{name}.gz',
            to_ids(tokens[name], vocabulary),
            rows,
            config,
            [probability for _, probability in taught] if name == 'teacher' else (),
            _name_ids(rows, config, vocabulary),
        )
        for name, rows in parts.items()
    }
    return Prepared(vocabulary, **files, vectors=table)


def tokens_of(
    texts: Sequence[str], config: Config, vocabulary: Sequence[str] | None = None
) -> list[list[bytes]]:
    """Tokenises texts with the graph of the served model, UTF-8; whole words for `wordpiece` without a vocabulary."""
    table = None if vocabulary is None else token_table(vocabulary)
    found: list[list[bytes]] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        ragged = tokenize(tf.constant(texts[start : start + _TEXTS_AT_ONCE]), config.text, table)
        found += ragged.to_list()
    return found


def to_ids(texts: Sequence[Sequence[bytes]], vocabulary: Sequence[str]) -> list[list[int]]:
    """Ids with start and end tokens; unknown tokens as `[UNK]`."""
    table = {token.encode(): index for index, token in enumerate(vocabulary)}
    return [[BOS_ID, *(table.get(token, UNK_ID) for token in text), EOS_ID] for text in texts]


def labels_of(rows: Sequence[Review]) -> list[int]:
    return [NO_LABEL if row.label is None else row.label for row in rows]


def _name_ids(rows: Sequence[Review], config: Config, vocabulary: Sequence[str]) -> list[list[int]] | None:
    """The ids of the names in each row; None if the settings do not ask for them."""
    if 'names' not in config.training.augment:
        return None
    ids = token_table(vocabulary).lookup(
        names(tf.constant([row.text for row in rows], tf.string), config.text)
    )
    return [list(row) for row in ids.to_list()]


def write_rows(
    path: Path,
    ids: Sequence[Sequence[int]],
    rows: Sequence[Review],
    config: Config,
    positive: Sequence[float] = (),
    name_ids: Sequence[Sequence[int]] | None = None,
) -> str:
    """Writes what Transform writes, and returns the path.

    Args:
        path: of the file.
        ids: of each row.
        rows: texts and labels.
        config: settings of the run.
        positive: probabilities of a teacher, if any.
        name_ids: ids of the names in each row; None if all names have n-grams.
    """
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions('GZIP')) as writer:
        for start in range(0, len(rows), _TEXTS_AT_ONCE):
            part = slice(start, start + _TEXTS_AT_ONCE)
            labelled = [row.text if len(positive) or row.label is not None else '' for row in rows[part]]
            ngrams = ngram_ids(tf.constant(labelled), config.text, skip_names=name_ids is not None).to_list()
            for number, (row_ids, row_ngrams, row) in enumerate(
                zip(ids[part], ngrams, rows[part], strict=True), start=start
            ):
                features = {
                    IDS: _integers(row_ids),
                    NGRAMS: _integers(row_ngrams),
                    NAMES: _integers(name_ids[number] if name_ids else []),
                    LABEL: _integers(labels_of([row])),
                }
                if row.rating is not None:
                    features[RATING] = tf.train.Feature(float_list=tf.train.FloatList(value=[row.rating]))
                if len(positive):
                    pair = [1 - positive[number], positive[number]]
                    features[PROBABILITIES] = tf.train.Feature(float_list=tf.train.FloatList(value=pair))
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
    return str(path)


def _integers(values: Sequence[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def answers(network: Network, file: str, batch_size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Probability of «positive» and the label of each row of a file: float (n), int (n), in one order."""

    integers = tf.TensorSpec([None, None], tf.int32)

    @tf.function(input_signature=[integers, integers])
    def ask(ids: tf.Tensor, ngrams: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(network.label_logits(ids, ngrams))

    batches = dataset.labelled_batches([file], batch_size)
    pairs = [(ask(row[IDS], row[NGRAMS]).numpy(), row[LABEL].numpy()) for row in batches]
    probabilities, labels = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return probabilities, labels.astype(np.int64)


def path_logits(network: Network, file: str, batch_size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the recurrent and of the wide path of each row of a file: each float (n), in the order of `answers`."""
    integers = tf.TensorSpec([None, None], tf.int32)
    ask = tf.function(network.path_logits, input_signature=[integers, integers])
    batches = [ask(row[IDS], row[NGRAMS]) for row in dataset.labelled_batches([file], batch_size)]
    recurrent, wide = (np.concatenate(path) for path in zip(*batches, strict=True))
    return recurrent, wide


def probabilities_of(network: Network, file: str, labels: LabelSpec) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the classes and the class of each row of a file: float (n, classes), int (n), in one order."""

    integers = tf.TensorSpec([None, None], tf.int32)

    @tf.function(input_signature=[integers, integers])
    def ask(ids: tf.Tensor, ngrams: tf.Tensor) -> tf.Tensor:
        return network.probabilities(ids, ngrams)

    rows = read_labelled_rows([file], 64, 0.0, labels)
    batches = [ask(ids, ngrams).numpy() for ids, ngrams in rows.batches(np.ones(len(rows), bool))]
    return np.concatenate(batches), np.asarray(rows.targets.argmax(axis=1)).ravel()
