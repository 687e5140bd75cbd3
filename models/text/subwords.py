"""Pieces of words: parts of a few characters, which rare words share with others (Bojanowski et al. 2017)."""

import zlib
from collections.abc import Sequence

import numpy as np

from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import CONTINUED, SPECIAL_TOKENS

# Characters of a piece. A word begins with `<` and ends with `>`, so that its ends differ from its middle.
PIECE_LENGTHS = (3, 4, 5)


def assign_subwords(network: Network, vocabulary: Sequence[str]) -> None:
    """Tells a network that is built which pieces its tokens have, if it has vectors of pieces at all."""
    if network.pieces is not None:
        layer = network.pieces
        layer.pieces.assign(piece_table(vocabulary, layer.buckets, layer.most))


def piece_table(vocabulary: Sequence[str], buckets: int, most: int) -> np.ndarray:
    """The pieces of each token: int (tokens, most), from 1 to `buckets` − 1, then 0.

    Args:
        vocabulary: tokens in the order of their ids.
        buckets: pieces are hashed.
        most: pieces a token; of a longer one the first are kept.
    """
    table = np.zeros((len(vocabulary), most), np.int32)
    for row, token in zip(table, vocabulary, strict=True):
        found = [1 + zlib.crc32(piece.encode()) % (buckets - 1) for piece in pieces_of(token)[:most]]
        row[: len(found)] = found
    return table


def pieces_of(token: str) -> list[str]:
    """The shorter ones first; none of a single character, which is known whole, nor of a special token."""
    if token in SPECIAL_TOKENS or len(token) < 2:
        return []
    marked = f'{token.removeprefix(CONTINUED)}>' if token.startswith(CONTINUED) else f'<{token}>'
    return [
        marked[start : start + length]
        for length in PIECE_LENGTHS
        for start in range(len(marked) - length + 1)
    ]
