"""Settings of the tokeniser."""

import dataclasses
import typing
from typing import Literal

from vaiven.configuration import require

# Only the n-grams of the wide path look further into a text than this many tokens.
MAX_TOKENS = 100_000

# Number of words after a negation that `--augment negation` marks.
NEGATION_SCOPE = 4

Unit = Literal['word', 'character', 'wordpiece']
UNITS: tuple[str, ...] = typing.get_args(Unit)


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """How a text is split into tokens.

    Attributes:
        unit: The unit of a token. `word`: a word, a number or a sign. `character`: a Unicode code point. `wordpiece`:
            a whole word if the vocabulary contains it, otherwise its longest known wordpieces, from left to right
            (Schuster & Nakajima 2012).
        lowercase: Whether texts are converted to lower case.
        max_tokens: Longer texts are truncated to this many tokens, `[BOS]` and `[EOS]` not counted; from 1 to 100000.
        html: Whether HTML character references (`&#39;`) become characters, and HTML tags (`<br />`) white space.
        mask_urls: Whether every web address is replaced by the same word.
        mask_user_names: Whether every user name (`@name`) is replaced by the same word.
        negation_scope: Number of words after a negation whose n-grams differ from those of the same words elsewhere
            (Das & Chen 2001), in English and Spanish; for the wide path. null: 4 if `training.augment` has negation and
            the labels are those of sentiment or ordered, otherwise 0. At most 20.
    """

    unit: Unit = 'word'
    lowercase: bool = True
    max_tokens: int = 256
    html: bool = True
    mask_urls: bool = False
    mask_user_names: bool = False
    negation_scope: int | None = None

    @property
    def scope(self) -> int:
        """The setting `negation_scope`; 0 if it is null."""
        return self.negation_scope or 0

    def __post_init__(self) -> None:
        require(self.unit in UNITS, f'text.unit must be one of {", ".join(UNITS)}', self.unit)
        require(
            1 <= self.max_tokens <= MAX_TOKENS,
            f'text.max_tokens must lie between 1 and {MAX_TOKENS}',
            self.max_tokens,
        )
        require(
            0 <= self.scope <= 20,
            'text.negation_scope must be null or lie between 0 and 20',
            self.negation_scope,
        )
