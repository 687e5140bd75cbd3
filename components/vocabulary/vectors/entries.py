"""What all formats of vectors have in common: words one after another, each with its values."""

import abc
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import NamedTuple

import numpy as np

from vaiven.components.vocabulary.vectors.errors import VectorsError

MAX_VALUES = 16_384


class Entry(NamedTuple):
    """One word of a file.

    Attributes:
        position: number of its line or row, from 1.
        word: as the file has it.
        values: the values as the file has them; `VectorFile.vector` converts those of a word that is needed.
    """

    position: int
    word: str
    values: bytes


class VectorFile(AbstractContextManager['VectorFile'], abc.ABC):
    """A file of vectors. It is read from start to end, a few kilobytes at a time.

    Attributes:
        name: name in messages.
        size: number of values of each vector.
    """

    # What a position counts.
    unit = 'row'

    def __init__(self, name: str, size: int) -> None:
        if not 1 <= size <= MAX_VALUES:
            raise VectorsError(
                f'{name}: a vector must have 1 to {MAX_VALUES} values. Received: {size}; give another file'
            )
        self.name, self.size = name, size

    @abc.abstractmethod
    def entries(self) -> Iterator[Entry]:
        """Yields the words in the order of the file. Raises VectorsError, or TableError for a damaged archive."""

    @abc.abstractmethod
    def _parse(self, entry: Entry) -> np.ndarray:
        """Converts the values of an entry. Raises VectorsError."""

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the file."""

    def vector(self, entry: Entry) -> np.ndarray:
        """Converts the values of an entry: float32 (size).

        Raises:
            VectorsError: a value is not a number, or is not finite.
        """
        vector = self._parse(entry)
        if not np.isfinite(vector).all():
            worst = vector[~np.isfinite(vector)][0]
            raise self.error(entry.position, 'all values must be finite', f'{worst} for {entry.word!r}')
        return vector

    def error(self, position: int, rule: str, received: str) -> VectorsError:
        """The error for one entry.

        Args:
            position: of the entry.
            rule: what is required.
            received: what the entry has instead.
        """
        where = f'{self.unit} {position:,}'
        return VectorsError(
            f'{self.name}: {where}: {rule}. Received: {received}; download or export the file again'
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
