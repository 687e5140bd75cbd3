"""What TensorFlow Transform does to each row: raw text to ids, with the very functions that serve it later."""

import json
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from vaiven.models import text as text_lib
from vaiven.models.configuration import from_dict

TEXT, LABEL, IDS = 'text', 'label', 'ids'
VOCABULARY_FILE = 'vocab.txt'
NO_LABEL = -1


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """Raw features to what the network eats.

    Args:
        inputs: `text` string and `label` int64, sparse (n, ≤ 1).
        custom_config: `config`, the configuration as JSON, and `vocabulary_uri`, a folder with `vocab.txt`.

    Returns:
        `ids` int64 sparse (n, None), `label` int64 (n): 1 positive, 0 negative, −1 none.
    """
    config = text_config(custom_config['config'])
    table = tft.make_and_track_object(
        lambda: text_lib.vocabulary_table(f'{custom_config["vocabulary_uri"]}/{VOCABULARY_FILE}'),
        'vocabulary',
    )
    tokens = text_lib.tokenize(_one_value(inputs[TEXT], ''), config)
    label = inputs.get(LABEL)
    return {
        IDS: text_lib.tokens_to_ids(tokens, table).to_sparse(),
        LABEL: tf.fill(tf.shape(tokens.row_lengths()), tf.constant(NO_LABEL, tf.int64))
        if label is None
        else _one_value(label, NO_LABEL),
    }


def text_config(config_json: str) -> text_lib.TextConfig:
    return from_dict(text_lib.TextConfig, json.loads(config_json)['text'])


def _one_value(values: tf.SparseTensor, default: str | int) -> tf.Tensor:
    """A column of at most one value a row, dense: (n)."""
    rows = values.dense_shape[0]
    column = tf.SparseTensor(values.indices, values.values, tf.stack([rows, 1]))
    return tf.reshape(tf.sparse.to_dense(column, default_value=default), [-1])
