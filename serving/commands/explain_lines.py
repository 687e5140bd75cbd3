"""The output of `vaiven predict --explain`: a text whose words are coloured by how much they speak for its label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.text_inputs import printable
from vaiven.serving.common import terminal

if TYPE_CHECKING:
    from vaiven.serving.client.explanation import Contribution, Explanation

# A word with less than this share of the strongest value is not coloured, and above the other share it is bold.
MIN_COLOURED, MIN_BOLD = 0.1, 0.5
MAX_SHOWN = 5
_INDENT = '  '


def explanation_lines(result: Explanation, number: int) -> Iterator[str]:
    """The label and its score, the coloured words, and the strongest words and n-grams for and against the label."""
    yield f'{click.style(printable(result.label), bold=True)}  {result.score:6.1%}'
    yield from _coloured_words(result.words)
    yield from _strongest('for', (word for word in result.words if word.value > 0))
    yield from _strongest('against', (word for word in result.words if word.value < 0))
    ngrams = [ngram for ngram in result.ngrams if ngram.value][:MAX_SHOWN]
    if ngrams:
        yield _line('n-grams', ngrams)


def _coloured_words(words: tuple[Contribution, ...]) -> Iterator[str]:
    """The words, green for the label and red against it, in lines that fit the terminal."""
    strongest = max((abs(word.value) for word in words), default=0.0)
    line, used = '', 0
    for word in words:
        shown = printable(word.text)
        columns = terminal.columns(shown) + 1
        if line and used + columns > terminal.width() - len(_INDENT):
            yield _INDENT + line
            line, used = '', 0
        line += (' ' if line else '') + _coloured(shown, word.value / strongest if strongest else 0.0)
        used += columns
    if line:
        yield _INDENT + line


def _coloured(text: str, share: float) -> str:
    if abs(share) < MIN_COLOURED:
        return text
    return click.style(text, fg='green' if share > 0 else 'red', bold=abs(share) >= MIN_BOLD)


def _strongest(name: str, words: Iterable[Contribution]) -> Iterator[str]:
    ordered = sorted(words, key=lambda word: -abs(word.value))[:MAX_SHOWN]
    if ordered:
        yield _line(name, ordered)


def _line(name: str, contributions: Iterable[Contribution]) -> str:
    items = (f'{printable(item.text)} {item.value:+.2f}' for item in contributions)
    return f'{_INDENT}{name:8}' + click.style(' · '.join(items), dim=True)


def explanation_rows(result: Explanation, number: int) -> Iterator[tuple[str, str, str, str, str]]:
    """A row for each word: number of the text, label, score, word, value."""
    for word in result.words:
        yield str(number), result.label, f'{result.score:.6f}', word.text, f'{word.value:.6f}'


def explanation_values(result: Explanation, number: int) -> dict[str, Any]:
    """The explanation as JSON values."""
    return {
        'text': result.text,
        'label': result.label,
        'score': result.score,
        'words': [[word.text, word.value] for word in result.words],
        'ngrams': [[ngram.text, ngram.value] for ngram in result.ngrams],
    }


EXPLANATION: Form[Explanation] = Form(
    columns=('number', 'label', 'score', 'word', 'value'),
    rows=explanation_rows,
    values=explanation_values,
    terminal_lines=explanation_lines,
    keys=('text', 'label', 'score', 'words', 'ngrams'),
)
