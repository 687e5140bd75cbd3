"""Configuration of the vocabulary."""

import dataclasses

from vaiven.configuration import require


@dataclasses.dataclass(frozen=True)
class VocabularyConfig:
    """Which tokens get their own id; the others share the id of `[UNK]`.

    Attributes:
        max_size: maximum number of entries, including the special tokens.
        min_count: a token with a lower count gets no entry. A wordpiece of a single character always gets one.
    """

    max_size: int = 20_000
    min_count: int = 2

    def __post_init__(self) -> None:
        require(
            5 <= self.max_size <= 10_000_000,
            'vocabulary.max_size must lie between 5 and 10000000',
            self.max_size,
        )
        require(self.min_count >= 1, 'vocabulary.min_count must be at least 1', self.min_count)
