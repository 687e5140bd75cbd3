"""Selects the tokens that get an id. Pure functions."""

import dataclasses
import json
from collections.abc import Iterable

from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.components.vocabulary.wordpiece import learn_wordpieces
from vaiven.models.text.config import Unit
from vaiven.models.text.tokenization import SPECIAL_TOKENS


@dataclasses.dataclass(frozen=True)
class TokenSelection:
    """A vocabulary, and the counts that it was selected by.

    Attributes:
        tokens: the vocabulary; the index of a token is its id.
        counts: every token that occurs and its count, in descending order of count.
    """

    tokens: list[str]
    counts: list[tuple[str, int]]

    def vocabulary_text(self) -> str:
        """The content of `vocab.txt`."""
        return ''.join(f'{token}\n' for token in self.tokens)

    def counts_text(self) -> str:
        """The content of `counts.tsv`."""
        return ''.join(f'{token}\t{count}\n' for token, count in self.counts)

    def summary_text(self, texts: int) -> str:
        """The content of `summary.json`.

        Args:
            texts: number of texts that were read.
        """
        total = sum(count for _, count in self.counts)
        known = set(self.tokens) - set(SPECIAL_TOKENS)
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


def select_tokens(
    token_counts: Iterable[tuple[bytes, int]], config: VocabularyConfig, unit: Unit = 'word'
) -> TokenSelection:
    """Selects the special tokens, then the most frequent tokens; equal counts in the order of their code points.

    Only the sampled softmax depends on the order: it draws low ids more often (log-uniform candidates).

    Args:
        token_counts: each distinct word or character, in UTF-8, and its count, in any order.
        config: maximum size and minimum count.
        unit: with `wordpiece`, wordpieces are learned from the words.

    Returns:
        The vocabulary and the counts of all tokens.
    """
    max_tokens = config.max_size - len(SPECIAL_TOKENS)
    counted = {token.decode(): count for token, count in token_counts if _fits_on_a_line(token.decode())}
    if unit == 'wordpiece':
        # Sorted, as runners return the words in any order: the same text gives the same wordpieces.
        wordpieces, occurrences = learn_wordpieces(
            dict(sorted(counted.items())), max_tokens, config.min_count
        )
        ordered = _frequent_first({**dict.fromkeys(wordpieces, 0), **occurrences})
        known = set(wordpieces)
        frequent = [token for token, _ in ordered if token in known]
        counts = [(token, count) for token, count in ordered if count]
    else:
        counts = _frequent_first(counted)
        frequent = [
            token for token, count in counts if count >= config.min_count and token not in SPECIAL_TOKENS
        ]
    return TokenSelection([*SPECIAL_TOKENS, *frequent[:max_tokens]], counts)


def _frequent_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _fits_on_a_line(token: str) -> bool:
    """Whether a token has no line break: one would shift the ids of all following tokens for some reader."""
    return token.splitlines() == [token] and '\t' not in token
