"""Pre-trained vectors of the tokens of a vocabulary, and the file in which they reach the Trainer."""

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vaiven.models.network.network import Network

VECTORS_FILE = 'vectors.npz'
# Root mean square of the values of a vector. Files differ by a factor of ten; with projections of Glorot & Bengio
# (2010), vectors of this size are as long as initial embeddings.
_VALUE_SCALE = 0.1


@dataclasses.dataclass(frozen=True)
class TokenVectors:
    """The pre-trained vectors of a vocabulary.

    Attributes:
        table: float32 (tokens, values), in the order of the ids; zeros for a token without a vector.
        read_only: number of tokens at the end of the vocabulary that are there because of their vector alone.
        record: name and SHA-256 of the file, and how many tokens were found in it.
    """

    table: np.ndarray
    read_only: int
    record: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """The content of `VECTORS_FILE`: arrays and JSON, no pickled objects."""
        buffer = io.BytesIO()
        np.savez(buffer, table=self.table, read_only=self.read_only, record=json.dumps(self.record))
        return buffer.getvalue()


def read_vectors(path: str) -> TokenVectors | None:
    """Reads a `VECTORS_FILE`; None if there is none.

    Args:
        path: a path, or an address that TensorFlow can open.
    """
    import tensorflow as tf

    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path, 'rb') as file, np.load(io.BytesIO(file.read())) as arrays:
        return TokenVectors(arrays['table'], int(arrays['read_only']), json.loads(str(arrays['record'])))


def vocabulary_sizes(vocabulary: Sequence[str], vectors: TokenVectors | None) -> dict[str, Any]:
    """The arguments of `Network` that depend on vocabulary and vectors."""
    if vectors is None:
        return {'vocabulary_size': len(vocabulary)}
    return {
        'vocabulary_size': len(vocabulary) - vectors.read_only,
        'read_only': vectors.read_only,
        'vector_values': vectors.table.shape[1],
    }


def assign_vectors(network: Network, vectors: TokenVectors | None) -> None:
    """Sets the pre-trained vectors of a network, scaled to the size of initial embeddings.

    Args:
        network: built with `vocabulary_sizes`.
        vectors: those of its vocabulary; None changes nothing.
    """
    if vectors is None or network.word_vectors is None:
        return
    found = vectors.table[np.any(vectors.table, axis=1)]
    size = np.sqrt(np.mean(np.square(found), dtype=np.float64)) if len(found) else 1.0
    network.word_vectors.vectors.assign(vectors.table * (_VALUE_SCALE / size))
