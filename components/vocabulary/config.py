"""How large a vocabulary may become."""

import dataclasses

from vaiven.configuration import require


@dataclasses.dataclass(frozen=True)
class VocabularyConfig:
    """Which tokens get an id of their own; the others share that of `[UNK]`.

    Attributes:
        max_size: the most entries, the special tokens among them.
        min_count: a rarer token gets no entry; of pieces of words, one that is a single character does.
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
