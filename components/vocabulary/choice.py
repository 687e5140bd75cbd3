"""Which of the counted tokens get an id. Pure functions."""

import dataclasses
import json
from collections.abc import Iterable

from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.models.text import SPECIAL_TOKENS


@dataclasses.dataclass(frozen=True)
class Choice:
    """The outcome.

    Attributes:
        tokens: the vocabulary; a token's place is its id.
        counts: every token that occurs with its count, in the vocabulary's order.
    """

    tokens: list[str]
    counts: list[tuple[str, int]]

    def vocabulary_text(self) -> str:
        return ''.join(f'{token}\n' for token in self.tokens)

    def counts_text(self) -> str:
        return ''.join(f'{token}\t{count}\n' for token, count in self.counts)

    def summary_text(self, texts: int) -> str:
        total = sum(count for _, count in self.counts)
        known = set(self.tokens)
        covered = sum(count for token, count in self.counts if token in known)
        return json.dumps(
            {
                'size': len(self.tokens),
                'distinct': len(self.counts),
                'total': total,
                'coverage': covered / total if total else 1.0,
                'texts': texts,
            },
            indent=2,
        )


def choose(counted: Iterable[tuple[bytes, int]], config: VocabularyConfig) -> Choice:
    """The special tokens, then the most frequent ones; equal counts in the order of their code points.

    Args:
        counted: each distinct token, UTF-8, with its count, in any order.
        config: gives the size and the least count.
    """
    # UTF-8 sorts as its code points do.
    ordered = sorted(counted, key=lambda pair: (-pair[1], pair[0]))
    counts = [(token.decode(), count) for token, count in ordered if _fits_a_line(token.decode())]
    frequent = [token for token, count in counts if count >= config.min_count and token not in SPECIAL_TOKENS]
    return Choice([*SPECIAL_TOKENS, *frequent[: config.max_size - len(SPECIAL_TOKENS)]], counts)


def _fits_a_line(token: str) -> bool:
    """Control characters that end a line for one reader or another would shift the ids of all that follow."""
    return token.splitlines() == [token] and '\t' not in token
