"""How a text becomes tokens."""

import dataclasses
import typing
from typing import Literal

from vaiven.configuration import require

# The most tokens of a text that anything but its n-grams is asked about.
MAX_TOKENS = 100_000

Unit = Literal['word', 'character', 'wordpiece']
UNITS: tuple[str, ...] = typing.get_args(Unit)


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """How a text becomes tokens.

    Attributes:
        unit: what a token is: a `word` (or number, or sign), a `character` (a code point), or a `wordpiece`: a
            whole word where the vocabulary has it, else its longest known pieces from the left.
        lowercase: whether capital letters are made small first.
        max_tokens: a longer text is cut after this many tokens, `[BOS]` and `[EOS]` not counted.
        html: whether HTML's character references (`&#39;`) become characters and its tags (`<br />`) white space.
        mask_urls: whether all web addresses become one word.
        mask_user_names: whether all user names (`@name`) become one.
    """

    unit: Unit = 'word'
    lowercase: bool = True
    max_tokens: int = 256
    html: bool = True
    mask_urls: bool = False
    mask_user_names: bool = False

    def __post_init__(self) -> None:
        require(self.unit in UNITS, f'text.unit must be one of {", ".join(UNITS)}', self.unit)
        require(
            1 <= self.max_tokens <= MAX_TOKENS,
            f'text.max_tokens must lie between 1 and {MAX_TOKENS}',
            self.max_tokens,
        )
