"""Which of the counted tokens get an id. Pure functions."""

import dataclasses
import json
from collections.abc import Iterable

from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.components.vocabulary.wordpiece import learn_pieces
from vaiven.models.text.config import Unit
from vaiven.models.text.tokenization import SPECIAL_TOKENS


@dataclasses.dataclass(frozen=True)
class Choice:
    """The outcome.

    Attributes:
        tokens: the vocabulary; a token's place is its id.
        counts: every token that occurs with its count, the most frequent first.
    """

    tokens: list[str]
    counts: list[tuple[str, int]]

    def vocabulary_text(self) -> str:
        return ''.join(f'{token}\n' for token in self.tokens)

    def counts_text(self) -> str:
        return ''.join(f'{token}\t{count}\n' for token, count in self.counts)

    def summary_text(self, texts: int) -> str:
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


def choose(counted: Iterable[tuple[bytes, int]], config: VocabularyConfig, unit: Unit = 'word') -> Choice:
    """The special tokens, then the most frequent ones; equal counts in the order of their code points.

    The order matters to the sampled softmax alone, which draws frequent ids more often; any order is right there.

    Args:
        counted: each distinct word, or character, UTF-8, with its count, in any order.
        config: gives the size and the least count.
        unit: with `wordpiece` the tokens are pieces of the words.
    """
    most = config.max_size - len(SPECIAL_TOKENS)
    fitting = {token.decode(): count for token, count in counted if _fits_a_line(token.decode())}
    if unit == 'wordpiece':
        # In one order whatever the runner's, so that the same text gives the same pieces.
        pieces, occurring = learn_pieces(dict(sorted(fitting.items())), most, config.min_count)
        ordered = _frequent_first({**dict.fromkeys(pieces, 0), **occurring})
        known = set(pieces)
        frequent = [token for token, _ in ordered if token in known]
        counts = [(token, count) for token, count in ordered if count]
    else:
        counts = _frequent_first(fitting)
        frequent = [t for t, count in counts if count >= config.min_count and t not in SPECIAL_TOKENS]
    return Choice([*SPECIAL_TOKENS, *frequent[:most]], counts)


def _frequent_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _fits_a_line(token: str) -> bool:
    """Control characters that end a line for one reader or another would shift the ids of all that follow."""
    return token.splitlines() == [token] and '\t' not in token
