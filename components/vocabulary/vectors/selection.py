"""Selects the vectors of a vocabulary from a file, and words of the file that join the vocabulary."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from vaiven.components.vocabulary.vectors.entries import Entry, VectorFile
from vaiven.components.vocabulary.vectors.errors import VectorsError
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import SPECIAL_TOKENS, tokenize

_WORDS_AT_ONCE = 8192
# How well a word of the file fits a token, the best first.
_SAME, _NORMALIZED, _LOWER_CASE, _NONE = range(4)


@dataclasses.dataclass(frozen=True)
class Selection:
    """The vectors of a vocabulary.

    Attributes:
        read_only: words of the file that join the vocabulary, in their order.
        table: float32 (tokens + read_only, size); zeros for a token that the file does not know.
        words: number of tokens that could be in the file.
        found: how many of them are.
        duplicates: how many of them the file has more than once; the first vector counts.
    """

    read_only: list[str]
    table: np.ndarray
    words: int
    found: int
    duplicates: int

    def line(self) -> str:
        """A line for the user."""
        parts = [
            f'{self.found:,} of {self.words:,} words ({100 * self.found / max(self.words, 1):.1f} %), '
            f'{self.table.shape[1]} values each'
        ]
        if self.read_only:
            parts.append(f'read by their vectors alone: {len(self.read_only):,}')
        if self.duplicates:
            parts.append(f'in the file more than once: {self.duplicates:,}, the first vector counts')
        return 'vectors: ' + '; '.join(parts)


def select_vectors(
    file: VectorFile, tokens: Sequence[str], counts: Mapping[str, int], max_read_only: int, text: TextConfig
) -> Selection:
    """Selects the vectors of a vocabulary, and the words of the file that join it.

    A token gets the vector of the same word, or else of a word that is normalised to it, or else of its lower case.
    Words that join the vocabulary are those of the training texts that are too rare for it, the frequent ones first;
    then those of the file in its order, which in most files is that of frequency.

    Args:
        file: the vectors.
        tokens: the vocabulary, in the order of the ids.
        counts: count of each token of the training texts.
        max_read_only: maximum number of words that join; only words join, neither wordpieces nor characters.
        text: how texts are normalised and split into tokens.

    Raises:
        VectorsError: the file is damaged, or knows no token.
        TableError: the file cannot be decompressed.
    """
    choice = _Choice(file, tokens, counts, max_read_only if text.unit == 'word' else 0)
    for batch in _batches(file.entries()):
        unknown = [entry for entry in batch if not choice.add(entry, entry.word, _SAME)]
        for entry, token in zip(
            unknown, normalize_words([entry.word for entry in unknown], text), strict=True
        ):
            if token is not None:
                choice.add_normalized(entry, token)
    selection = choice.result()
    if not selection.found:
        raise VectorsError(
            f'{file.name}: must know words of the training texts. Received: none of {selection.words:,}; give vectors '
            'of the language of the texts, and words as text.unit and text.lowercase make them'
        )
    return selection


def normalize_words(words: Sequence[str], text: TextConfig) -> list[str | None]:
    """Normalises words as texts are: each to the token that it becomes; None for one that is not a single token."""
    if not words:
        return []
    tokens = tokenize(tf.constant(list(words)), text)
    lengths, flat = tokens.row_lengths().numpy(), tokens.flat_values.numpy()
    starts = np.cumsum(lengths) - lengths
    return [
        flat[start].decode() if length == 1 else None for start, length in zip(starts, lengths, strict=True)
    ]


def _batches(entries: Iterable[Entry]) -> Iterable[tuple[Entry, ...]]:
    iterator = iter(entries)
    while batch := tuple(itertools.islice(iterator, _WORDS_AT_ONCE)):
        yield batch


class _Choice:
    """The best entry of each token so far."""

    def __init__(
        self, file: VectorFile, tokens: Sequence[str], counts: Mapping[str, int], max_read_only: int
    ) -> None:
        self._file = file
        self._ids = {token: number for number, token in enumerate(tokens) if token not in SPECIAL_TOKENS}
        self._lower: dict[str, list[int]] = {}
        for token, number in self._ids.items():
            if token.lower() != token:
                self._lower.setdefault(token.lower(), []).append(number)
        self._table = np.zeros((len(tokens), file.size), np.float32)
        self._fit = np.full(len(tokens), _NONE, np.int8)
        self._duplicates: set[str] = set()
        self._max_read_only = max_read_only
        self._rare = {token for token in counts if token not in self._ids and token not in SPECIAL_TOKENS}
        self._counts = counts
        # Words that may join: word → (fit, vector).
        self._others: dict[str, tuple[int, np.ndarray]] = {}
        self._frequent_others = 0

    def add(self, entry: Entry, token: str, fit: int) -> bool:
        """Notes the vector of a token. Returns whether the vocabulary has the token."""
        for lower_case in self._lower.get(token, ()):
            self._set(lower_case, entry, _LOWER_CASE)
        number = self._ids.get(token)
        if number is None:
            return False
        if fit == self._fit[number] == _SAME:
            self._duplicates.add(token)
        self._set(number, entry, fit)
        return True

    def _set(self, number: int, entry: Entry, fit: int) -> None:
        if fit < self._fit[number]:
            self._table[number] = self._file.vector(entry)
            self._fit[number] = fit

    def add_normalized(self, entry: Entry, token: str) -> None:
        """Notes the vector of a token that the word of an entry is normalised to, or that it may join as."""
        if self.add(entry, token, _NORMALIZED) or not self._max_read_only:
            return
        fit = _SAME if token == entry.word else _NORMALIZED
        present = self._others.get(token)
        if present is None:
            if token not in self._rare:
                if self._frequent_others == self._max_read_only:
                    return
                self._frequent_others += 1
        elif present[0] <= fit:
            return
        self._others[token] = fit, self._file.vector(entry)

    def result(self) -> Selection:
        """The selection after the last entry."""
        rare = sorted(self._rare.intersection(self._others), key=lambda word: (-self._counts[word], word))
        joining = [*rare, *(word for word in self._others if word not in self._rare)][: self._max_read_only]
        rows = [self._others[word][1] for word in joining]
        table = np.concatenate([self._table, np.array(rows, np.float32).reshape(len(rows), self._file.size)])
        found = int(np.sum(self._fit != _NONE))
        return Selection(joining, table, len(self._ids), found, len(self._duplicates))
