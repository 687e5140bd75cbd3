"""Rebuilds the network of an exported model, with its tokeniser, from the files of the SavedModel.

Only the variables, the vocabulary and the configuration are read; the graph is not loaded.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vaiven.configuration import from_dict
from vaiven.errors import UserError
from vaiven.label_spec import LabelSpec
from vaiven.models.export.files import CONFIG_PATH, VARIABLES_PATH, variable_key
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import TextConfig


class RestoreError(UserError):
    """The SavedModel does not hold a network of this package."""

    exit_status = 1


@dataclasses.dataclass(frozen=True)
class EncodedText:
    """A text as the network reads it.

    Attributes:
        ids: from `[BOS]` to `[EOS]`, int32 (tokens + 2).
        characters: number of characters of the normalised text.
        known: number of tokens in the vocabulary, without spaces.
    """

    ids: np.ndarray
    characters: int
    known: int

    @property
    def unknown(self) -> int:
        """Number of tokens that are not in the vocabulary."""
        return int(np.count_nonzero(self.ids == text_lib.UNK_ID))

    @property
    def tokens(self) -> int:
        """Number of tokens, without `[BOS]` and `[EOS]`."""
        return len(self.ids) - 2


class RestoredModel:
    """The network of a SavedModel and its tokeniser. The files are only read.

    Args:
        folder: of the SavedModel.

    Attributes:
        network: subwords and pre-trained vectors are folded into the embeddings.
        text_config: settings of the tokeniser.
        tokens: the vocabulary, in the order of the ids.

    Raises:
        RestoreError: another program or an earlier version of this package wrote it, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        try:
            config = json.loads((folder / CONFIG_PATH).read_text(encoding='utf-8'))
            values = tf.train.load_checkpoint(str(folder / VARIABLES_PATH))
            tokens = values.get_tensor(variable_key('tokens'))
            self.text_config = from_dict(TextConfig, config['text'])
            self.network = _network(config, len(tokens), values)
        except (OSError, tf.errors.OpError, KeyError, ValueError, RuntimeError) as error:
            raise RestoreError(
                f'{folder}: its network cannot be read; only models that this version of vaiven trained can be. '
                'Train it again with `vaiven run`'
            ) from error
        self.tokens: list[bytes] = tokens.tolist()
        self._table = text_lib.token_table(self.tokens)

    def encode(self, text: str) -> EncodedText:
        """Splits a text into tokens, as the signature `score` does."""
        batch = tf.constant([text.encode()])
        tokens = text_lib.all_tokens(batch, self.text_config, self._table)
        ids = text_lib.tokens_to_ids(tokens, self._table).flat_values.numpy()
        characters = tf.strings.length(text_lib.normalize(batch, self.text_config), unit='UTF8_CHAR')
        known = (ids[1:-1] != text_lib.UNK_ID) & (tokens.flat_values.numpy() != b' ')
        return EncodedText(ids.astype(np.int32), int(characters[0]), int(known.sum()))


def _network(config: dict[str, Any], tokens: int, values: Any) -> Network:
    """Builds the network as `inference_network` does, with the values of a checkpoint.

    Args:
        config: the settings of the run.
        tokens: size of the vocabulary, tokens that are only read included.
        values: reader of the checkpoint.

    Raises:
        ValueError: the variables of the checkpoint are not those of the network.
    """
    settings = dataclasses.replace(from_dict(NetworkConfig, config['network']), subword_buckets=0)
    labels = LabelSpec.from_config(config)

    def build(read_only: int) -> Network:
        network = Network(settings, tokens - read_only, labels=labels, read_only=read_only)
        network(np.full((1, 2), text_lib.BOS_ID))  # builds all weights
        return network

    network = build(0)
    # Tokens that are only read have an embedding, but no bias of the softmax.
    [predicted] = values.get_variable_to_shape_map()[_keys(network)[network.softmax_bias.path]]
    if predicted != tokens:
        network = build(tokens - predicted)
    keys = _keys(network)
    for variable in network.variables:
        variable.assign(values.get_tensor(keys[variable.path]))
    return network


def _keys(network: Network) -> dict[str, str]:
    """The key of each variable in a checkpoint, by its path."""
    names = {variable.path: f'network/{number}' for number, variable in enumerate(network.variables)}
    # The export tracks this one by name as well, and a checkpoint has the shorter path.
    names[network.combination.path] = 'combination'
    return {path: variable_key(name) for path, name in names.items()}
