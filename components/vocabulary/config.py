"""Configuration of the vocabulary."""

import dataclasses

from vaiven.configuration import require


@dataclasses.dataclass(frozen=True)
class VocabularyConfig:
    """Which tokens get their own id; the others share the id of `[UNK]`.

    Attributes:
        max_size: maximum number of entries, including the special tokens.
        min_count: a token with a lower count gets no entry. A wordpiece of a single character always gets one.
        vector_words: maximum number of words beside them that are read by their vectors (`--vectors`) alone, and never
            predicted: words of the training texts without an entry, then other words in the order of the file. At most
            10000000. Without effect on characters and wordpieces.
    """

    max_size: int = 20_000
    min_count: int = 2
    vector_words: int = 20_000

    def __post_init__(self) -> None:
        require(
            5 <= self.max_size <= 10_000_000,
            'vocabulary.max_size must lie between 5 and 10000000',
            self.max_size,
        )
        require(
            0 <= self.vector_words <= 10_000_000,
            'vocabulary.vector_words must lie between 0 and 10000000',
            self.vector_words,
        )
        require(self.min_count >= 1, 'vocabulary.min_count must be at least 1', self.min_count)
