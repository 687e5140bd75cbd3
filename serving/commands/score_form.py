"""How `vaiven score` writes the scores of texts, and their mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.text_inputs import printable
from vaiven.serving.common import terminal

# A model that has diverged gives larger values, whose exponential is no number.
_MAX_NATS = 700.0


@dataclass(frozen=True)
class Surprisal:
    """How well a model predicts a text, or several.

    Attributes:
        nats: the negative logarithm of their probability.
        tokens: number of predicted tokens, the end of each text included.
        characters: number of characters of the normalised texts, with one more for the end of each text.
    """

    nats: float = 0.0
    tokens: int = 0
    characters: int = 0

    def __add__(self, other: Surprisal) -> Surprisal:
        return Surprisal(
            self.nats + other.nats, self.tokens + other.tokens, self.characters + other.characters
        )

    @property
    def bits_per_character(self) -> float:
        """Lower is better."""
        return self.nats / math.log(2) / self.characters

    @property
    def perplexity(self) -> float:
        """Per token; lower is better."""
        return math.exp(min(self.nats / self.tokens, _MAX_NATS))


@dataclass(frozen=True)
class ScoredText:
    """The score of a text.

    Attributes:
        text: the text.
        static: of the model as it is.
        adapted: of the model that keeps learning; None without adaptation.
    """

    text: str
    static: Surprisal
    adapted: Surprisal | None = None


@dataclass
class Total:
    """The sum over texts, which `add` passes through.

    Attributes:
        texts: their number.
        static, adapted: as in `ScoredText`.
    """

    texts: int = 0
    static: Surprisal = Surprisal()
    adapted: Surprisal = Surprisal()

    def add(self, results: list[ScoredText]) -> list[ScoredText]:
        """Adds texts; returns them."""
        for result in results:
            self.texts += 1
            self.static += result.static
            self.adapted += result.adapted or Surprisal()
        return results

    def line(self) -> str:
        """The mean over all texts, weighted by their characters; '' for fewer than two texts."""
        if self.texts < 2:
            return ''
        line = f'mean of {self.texts:,} texts, {self.static.characters:,} characters: {_description(self.static)}'
        return f'{line}; with adaptation {_description(self.adapted)}' if self.adapted.tokens else line


def _description(surprisal: Surprisal) -> str:
    return f'{surprisal.bits_per_character:.3f} bits per character, perplexity {surprisal.perplexity:,.2f}'


def score_form(adapted: bool) -> Form[ScoredText]:
    """The form of the scores.

    Args:
        adapted: whether there are scores with adaptation, too.
    """
    numbers: dict[str, Callable[[ScoredText], float]] = {
        'bits_per_character': lambda result: result.static.bits_per_character,
        'perplexity': lambda result: result.static.perplexity,
    }
    if adapted:
        numbers['adapted_bits_per_character'] = lambda result: _adapted(result).bits_per_character
        numbers['adapted_perplexity'] = lambda result: _adapted(result).perplexity
    counts: dict[str, Callable[[ScoredText], int]] = {
        'tokens': lambda result: result.static.tokens,
        'characters': lambda result: result.static.characters,
    }

    def row(result: ScoredText, number: int) -> Iterator[tuple[str, ...]]:
        yield (
            *(f'{value(result):.6f}' for value in numbers.values()),
            *(str(value(result)) for value in counts.values()),
            result.text,
        )

    return Form(
        columns=(*numbers, *counts, 'text'),
        rows=row,
        values=lambda result, number: {
            'text': result.text,
            **{name: value(result) for name, value in (numbers | counts).items()},
        },
        terminal_lines=_adapted_lines if adapted else _lines,
    )


def _adapted(result: ScoredText) -> Surprisal:
    assert result.adapted is not None
    return result.adapted


def _lines(result: ScoredText, number: int) -> Iterator[str]:
    """A line of the table, after the names of the columns if it is the first."""
    if number == 1:
        yield 'bits/character  perplexity    tokens  text'
    static = result.static
    numbers = f'{static.bits_per_character:14.3f}  {static.perplexity:10,.2f}  {static.tokens:8,}  '
    yield numbers + printable(result.text, terminal.width() - len(numbers))


def _adapted_lines(result: ScoredText, number: int) -> Iterator[str]:
    """As `_lines`, with adaptation."""
    if number == 1:
        yield 'bits/character   adapted  perplexity   adapted    tokens  text'
    static, adapted = result.static, _adapted(result)
    numbers = (
        f'{static.bits_per_character:14.3f}  {adapted.bits_per_character:8.3f}  '
        f'{static.perplexity:10,.2f}  {adapted.perplexity:8,.2f}  {static.tokens:8,}  '
    )
    yield numbers + printable(result.text, terminal.width() - len(numbers))
