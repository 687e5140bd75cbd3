"""The preprocessing that TensorFlow Transform applies to each example, with the functions of the served graph."""

import json
import math
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from vaiven.configuration import from_dict
from vaiven.label_spec import LabelSpec
from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import TextConfig
from vaiven.models.text.names import names
from vaiven.models.text.ngrams import ngram_ids

TEXT, LABEL, IDS = 'text', 'label', 'ids'
POSITION, RATING, NGRAMS, PROBABILITIES = 'position', 'rating', 'ngrams', 'probabilities'
NAMES = 'names'
VOCABULARY_FILE = 'vocab.txt'
NO_LABEL = -1
NO_POSITION = -1
NO_RATING = math.nan


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """Maps the raw features of a batch to the inputs of the network. TFX Transform calls it.

    Args:
        inputs: `text` string and, if the data have them, `label` and `position` int64 and `rating` float; all sparse,
            (n, ≤ 1). `label` of multilabel data has a value for each class of a row. `probabilities` float, sparse (n,
            ≤ classes), if the data have them.
        custom_config: `config`, the configuration as JSON, and `vocabulary_uri`, a folder that contains `vocab.txt`;
            optionally `text_feature` and `label_feature`, the names of those features if they differ.

    Returns:
        `ids` int64 sparse (n, None); `label` int64 (n): number of the class, of two classes 1 the positive one, −1
        unlabelled; of multilabel data sparse (n, None); `position` int64 (n): of a passage in running text, −1 none;
        `rating` float (n): from −1 to 1, NaN none; `ngrams` int64 sparse (n, None): the inputs of the wide path, empty
        for unlabelled examples; `probabilities` float sparse (n, None), if the data have them. With names in
        `training.augment`: `names` int64 sparse (n, None), ids of the words that look like names, and `ngrams` without
        those words in every second text.
    """
    config = text_config(custom_config['config'])
    skip_names = 'names' in json.loads(custom_config['config']).get('training', {}).get('augment', ())
    table = tft.make_and_track_object(
        lambda: text_lib.vocabulary_table(f'{custom_config["vocabulary_uri"]}/{VOCABULARY_FILE}'),
        'vocabulary',
    )
    text = _one_value(inputs[custom_config.get('text_feature', TEXT)], '')
    tokens = text_lib.tokenize(text, config, table)
    batch_shape = tf.shape(tokens.row_lengths())  # (1): n

    def column(name: str, dtype: tf.DType, default: float) -> tf.Tensor:
        if name in inputs:
            return _one_value(inputs[name], default)
        return tf.fill(batch_shape, tf.constant(default, dtype))

    label_feature = custom_config.get('label_feature', LABEL)
    outputs: dict[str, Any] = {}
    if LabelSpec.from_config(custom_config['config']).kind == 'multilabel' and label_feature in inputs:
        outputs[LABEL] = inputs[label_feature]
        is_labelled = _has_values(outputs[LABEL])
    else:
        outputs[LABEL] = column(label_feature, tf.int64, NO_LABEL)
        is_labelled = outputs[LABEL] != NO_LABEL
    if PROBABILITIES in inputs:
        outputs[PROBABILITIES] = inputs[PROBABILITIES]
        is_labelled |= _has_values(outputs[PROBABILITIES])
    if skip_names:
        outputs[NAMES] = table.lookup(names(text, config)).to_sparse()
    return {
        IDS: text_lib.tokens_to_ids(tokens, table).to_sparse(),
        # Only labelled examples train the wide path: n-grams of the others would be written for nothing.
        NGRAMS: ngram_ids(tf.where(is_labelled, text, ''), config, skip_names=skip_names).to_sparse(),
        **outputs,
        POSITION: column(POSITION, tf.int64, NO_POSITION),
        RATING: column(RATING, tf.float32, NO_RATING),
    }


def text_config(config_json: str) -> TextConfig:
    """Reads the settings of the tokeniser from the whole configuration as JSON."""
    return from_dict(TextConfig, json.loads(config_json)['text'])


def _one_value(values: tf.SparseTensor, default: str | float) -> tf.Tensor:
    """Converts a sparse column with at most one value per example to a dense one: (n)."""
    examples = values.dense_shape[0]
    column = tf.SparseTensor(values.indices, values.values, tf.stack([examples, 1]))  # (n, 1)
    return tf.reshape(tf.sparse.to_dense(column, default_value=default), [-1])


def _has_values(values: tf.SparseTensor) -> tf.Tensor:
    """Which examples have a value in a sparse column: bool (n)."""
    counts = tf.math.unsorted_segment_sum(
        tf.ones_like(values.indices[:, 0]), values.indices[:, 0], values.dense_shape[0]
    )
    return counts > 0
