"""The texts of the lecture page: read, split into passages, and converted to ids.

Every tenth passage of a text is held out: no model is trained on it, and all models are measured on it.
"""

import collections
import dataclasses
import gzip
import itertools
import textwrap
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from vaiven.errors import UserError
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import (
    BOS_ID,
    EOS_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    all_tokens,
    normalize,
)

MIN_CHARACTERS = 20_000
_MAX_PASSAGE_CHARACTERS = 2_000
_HELD_OUT_INTERVAL = 10  # every tenth passage
_TEXT = TextConfig(unit='word')


class CorpusError(UserError):
    """A text cannot be used for the lecture page."""


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A text, normalised as the models read it (NFC, lower case, single spaces).

    Attributes:
        name: name of the text on the page.
        training: passages to train on: lines, sentences or paragraphs.
        held_out: passages to measure on.
        is_truncated: whether the text is longer than the limit.
    """

    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]
    is_truncated: bool = False

    @property
    def characters(self) -> int:
        """The number of characters of all passages."""
        return sum(map(len, self.training)) + sum(map(len, self.held_out))


def split_corpus(name: str, lines: Iterable[str], max_characters: int) -> Corpus:
    """Splits a text into training and held-out passages.

    Args:
        name: name of the text on the page.
        lines: the text; long lines are wrapped.
        max_characters: the rest of a longer text is not read.

    Raises:
        CorpusError: the text is too short.
    """
    passages: list[str] = []
    size, is_truncated = 0, False
    for line in lines:
        if size >= max_characters:
            is_truncated = True
            break
        is_long = len(line) > _MAX_PASSAGE_CHARACTERS
        for passage in textwrap.wrap(line, _MAX_PASSAGE_CHARACTERS) if is_long else [line]:
            if passage.strip():
                passages.append(passage)
                size += len(passage)
    if size < MIN_CHARACTERS or len(passages) < _HELD_OUT_INTERVAL:
        raise CorpusError(
            f'{name}: a lecture needs at least {MIN_CHARACTERS} characters in {_HELD_OUT_INTERVAL} lines. '
            f'Received: {size} in {len(passages)}; provide a longer text'
        )
    normalized = [passage.decode() for passage in normalize(tf.constant(passages), _TEXT).numpy()]
    held_out = tuple(normalized[_HELD_OUT_INTERVAL - 1 :: _HELD_OUT_INTERVAL])
    training = tuple(
        passage for number, passage in enumerate(normalized, start=1) if number % _HELD_OUT_INTERVAL
    )
    return Corpus(name, training, held_out, is_truncated)


def read_lines(path: str) -> list[str]:
    """Reads the lines of a UTF-8 text file, plain or gzipped.

    Raises:
        CorpusError: the file does not exist, cannot be read, or is not UTF-8 text.
    """
    try:
        with open(path, 'rb') as file:
            content = file.read()
        if content.startswith(b'\x1f\x8b'):  # the magic number of gzip, whatever the name of the file
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise CorpusError(f'{path}: the file does not exist; check the path given with --data') from None
    except IsADirectoryError:
        raise CorpusError(f'{path}: is a directory; name a text file in it') from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f'{path}: is not a complete gzip file ({error}); compress it again') from None
    except OSError as error:
        raise CorpusError(f'{path}: cannot be read ({error.strerror})') from None
    if b'\0' in content:
        raise CorpusError(f'{path}: contains NUL bytes, so it is not UTF-8 text; convert it to plain text')
    try:
        return content.decode('utf-8-sig').splitlines()  # without a byte order mark
    except UnicodeDecodeError as error:
        raise CorpusError(
            f'{path}: byte {error.start + 1} is not UTF-8; convert it, for example with iconv -f LATIN1 -t UTF-8'
        ) from None


def read_sayings(path: str) -> list[str]:
    """Reads a file of fortune(6): texts of several lines, with a line `%` between them.

    Raises:
        CorpusError: as for `read_lines`.
    """
    groups = itertools.groupby(read_lines(path), key=lambda line: line.strip() == '%')
    return [' '.join(' '.join(lines).split()) for separates, lines in groups if not separates]


class Vocabulary:
    """The most frequent tokens of a text, after the special tokens.

    Args:
        tokens: all tokens of the text.
        size: maximum number of entries, special tokens included.
    """

    def __init__(self, tokens: Iterable[str], size: int) -> None:
        counts = collections.Counter(tokens)
        frequent = sorted(counts, key=lambda token: (-counts[token], token))[: size - len(SPECIAL_TOKENS)]
        self.tokens: tuple[str, ...] = (*SPECIAL_TOKENS, *frequent)
        self._ids = {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """Looks up the ids of tokens; an unknown token gets the id of `[UNK]`."""
        return [self._ids.get(token, UNK_ID) for token in tokens]

    def encode(self, texts: Iterable[Sequence[str]]) -> np.ndarray:
        """Joins the ids of all texts, each between `[BOS]` and `[EOS]`: int32 (tokens)."""
        return np.array([i for text in texts for i in (BOS_ID, *self.ids(text), EOS_ID)], 'int32')


def require_min_tokens(name: str, unit: str, minimum: int, **splits: np.ndarray) -> None:
    """Raises `CorpusError` if a split has no more tokens than a model reads at once.

    Args:
        name: name of the text.
        unit: plural of the unit of a token, for the message.
        minimum: tokens that are read at once.
        splits: int (tokens), by name.
    """
    for split, ids in splits.items():
        if len(ids) <= minimum:
            raise CorpusError(
                f'{name}: a lecture needs more than {minimum} {unit} in the {split.replace("_", "-")} part, including '
                f'the start and the end of each line. Received: {len(ids)}; provide a longer text'
            )


def words(texts: Sequence[str]) -> list[list[str]]:
    """Splits each text into words with the tokeniser of the served models."""
    return [[token.decode() for token in row] for row in all_tokens(tf.constant(texts), _TEXT).to_list()]
