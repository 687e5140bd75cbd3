"""Subwords of a token: its character n-grams, which rare words share with frequent ones (Bojanowski et al. 2017)."""

import zlib
from collections.abc import Sequence

import numpy as np

from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import CONTINUATION_PREFIX, SPECIAL_TOKENS

# Characters of a subword, the marks `<` and `>` at the ends of a word included. The paper takes 3 to 6.
SUBWORD_LENGTHS = (3, 4, 5)


def assign_subwords(network: Network, vocabulary: Sequence[str]) -> None:
    """Sets the subwords of every token in the network's subword embeddings, if it has them.

    Args:
        network: built.
        vocabulary: tokens in the order of their ids.
    """
    if network.subwords is not None:
        layer = network.subwords
        layer.subword_ids.assign(subword_table(vocabulary, layer.buckets, layer.max_subwords))


def subword_table(vocabulary: Sequence[str], buckets: int, max_subwords: int) -> np.ndarray:
    """Computes the hashed subwords of every token.

    Args:
        vocabulary: tokens in the order of their ids.
        buckets: number of hash buckets; bucket 0 is padding.
        max_subwords: width of the table; of a longer token only the first subwords are kept.

    Returns:
        int32 (tokens, max_subwords): buckets from 1 to `buckets` − 1, padded with 0.
    """
    table = np.zeros((len(vocabulary), max_subwords), np.int32)
    for row, token in zip(table, vocabulary, strict=True):
        # CRC-32 is the same in every process, unlike `hash`.
        subwords = subwords_of(token)[:max_subwords]
        row[: len(subwords)] = [1 + zlib.crc32(subword.encode()) % (buckets - 1) for subword in subwords]
    return table


def subwords_of(token: str) -> list[str]:
    """The character n-grams of a token, the shorter ones first.

    Single characters and special tokens have none: their own vector is enough.
    """
    if token in SPECIAL_TOKENS or len(token) < 2:
        return []
    # A wordpiece that continues a word has no `<`: the start of the word is unknown.
    is_continuation = token.startswith(CONTINUATION_PREFIX)
    marked = f'{token.removeprefix(CONTINUATION_PREFIX)}>' if is_continuation else f'<{token}>'
    return [
        marked[start : start + length]
        for length in SUBWORD_LENGTHS
        for start in range(len(marked) - length + 1)
    ]
