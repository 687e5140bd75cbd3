"""The texts of a lecture: read, divided, and turned into streams of ids.

Every tenth piece of a text is held out: no model is trained on it, and all are measured on it.
"""

import collections
import dataclasses
import gzip
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
_LONGEST_PIECE = 2_000
_HELD_OUT = 10  # one piece of so many
_TEXT = TextConfig(unit='word')


class TextError(UserError):
    """A text that a lecture cannot be made of."""


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A text, normalised as the models read it (NFC, lower case, single spaces).

    Attributes:
        name: what the page calls it.
        training, held_out: its pieces: lines, sentences or paragraphs.
        cut: whether the text went on.
    """

    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]
    cut: bool = False

    @property
    def characters(self) -> int:
        return sum(map(len, self.training)) + sum(map(len, self.held_out))


def corpus(name: str, lines: Iterable[str], max_characters: int) -> Corpus:
    """Divides a text.

    Raises:
        TextError: if there is too little of it.
    """
    pieces: list[str] = []
    size, cut = 0, False
    for line in lines:
        if size >= max_characters:
            cut = True
            break
        for piece in textwrap.wrap(line, _LONGEST_PIECE) if len(line) > _LONGEST_PIECE else [line]:
            if piece.strip():
                pieces.append(piece)
                size += len(piece)
    if size < MIN_CHARACTERS or len(pieces) < _HELD_OUT:
        raise TextError(
            f'{name}: a lecture needs {MIN_CHARACTERS} characters in {_HELD_OUT} lines or more. '
            f'Received: {size} in {len(pieces)}; bring a longer text'
        )
    normal = [piece.decode() for piece in normalize(tf.constant(pieces), _TEXT).numpy()]
    held_out = tuple(normal[_HELD_OUT - 1 :: _HELD_OUT])
    training = tuple(piece for number, piece in enumerate(normal, start=1) if number % _HELD_OUT)
    return Corpus(name, training, held_out, cut)


def read_lines(path: str) -> list[str]:
    """The lines of a UTF-8 text file, plain or gzipped.

    Raises:
        TextError: if the file is missing, or is no such text.
    """
    try:
        with open(path, 'rb') as file:
            content = file.read()
        if content.startswith(b'\x1f\x8b'):
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise TextError(f'{path}: there is no such file; check the path given with --data') from None
    except IsADirectoryError:
        raise TextError(f'{path}: is a directory; name one text file in it') from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TextError(f'{path}: is not a whole gzip file ({error}); compress it again') from None
    except OSError as error:
        raise TextError(f'{path}: cannot be read ({error.strerror})') from None
    if b'\0' in content:
        raise TextError(f'{path}: holds NUL bytes, so it is no UTF-8 text; convert it to plain text')
    try:
        return content.decode('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise TextError(
            f'{path}: byte {error.start + 1} is not UTF-8; convert it, as with iconv -f LATIN1 -t UTF-8'
        ) from None


class Vocabulary:
    """Tokens by falling count, after the special ones."""

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
        return [self._ids.get(token, UNK_ID) for token in tokens]

    def stream(self, texts: Iterable[Sequence[str]]) -> np.ndarray:
        """One text after the other, each between `[BOS]` and `[EOS]`: int32 (tokens)."""
        return np.array([i for text in texts for i in (BOS_ID, *self.ids(text), EOS_ID)], 'int32')


def require_longer(name: str, unit: str, least: int, **parts: np.ndarray) -> None:
    """Raises TextError where a part of a text, int (tokens), is no longer than what is read of it at once."""
    for part, stream in parts.items():
        if len(stream) <= least:
            raise TextError(
                f'{name}: a lecture needs more than {least} {unit} in the {part.replace("_", "-")} part, begins and '
                f'ends of lines among them. Received: {len(stream)}; bring a text with more of them'
            )


def words(texts: Sequence[str]) -> list[list[str]]:
    """Tokens of each text, by the tokeniser of the served models."""
    return [[token.decode() for token in row] for row in all_tokens(tf.constant(texts), _TEXT).to_list()]
