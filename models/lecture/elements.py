"""Elements of the lecture page as HTML."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from vaiven.models.lecture.cells_text import CELL_TEXTS
from vaiven.models.lecture.svg import Line
from vaiven.models.lecture.translation import Translate

_MIN_NORM = 1e-30  # smaller norms are negligible, and 0 has no logarithm
# Cells that share a line's hue with a relative.
_DASHED = ('gru_reset_before', 'peephole_coupled_lstm', 'full_peephole_lstm', 'min_gru', 'min_lstm')


def scrolling(content: str, label: str) -> str:
    """Puts content that may be wider than the screen into a region that can be scrolled by keyboard.

    Args:
        content: HTML.
        label: name of the region for screen readers.
    """
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{content}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], label: str) -> str:
    """Formats a table; the cells are HTML already.

    Args:
        head: headers of the columns.
        rows: cells by row.
        label: name of the table for screen readers.
    """
    header = ''.join(f'<th scope="col">{cell}</th>' for cell in head)
    body = ''.join('<tr>' + ''.join(f'<td>{cell}</td>' for cell in row) + '</tr>' for row in rows)
    return scrolling(f'<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>', label)


def figure(plot: str, title: str, caption: str = '') -> str:
    """Formats a figure with title and caption.

    Args:
        plot: SVG.
        title: HTML.
        caption: HTML; empty for none.
    """
    return f'<figure><h3>{title}</h3>{plot}' + (
        f'<figcaption>{caption}</figcaption></figure>' if caption else '</figure>'
    )


def cell_name(cell: str, translate: Translate) -> str:
    """The name of a cell on the page, as plain text."""
    return translate(CELL_TEXTS[cell].name)


def named(cell: str, translate: Translate) -> str:
    """Formats the name of a cell with a swatch of its colour."""
    return f'<span class="swatch {cell}"></span>{escape(cell_name(cell, translate))}'


def is_dashed(cell: str) -> bool:
    """Whether the lines of a cell are dashed."""
    return cell in _DASHED


def middle(norms: np.ndarray) -> np.ndarray:
    """Computes the geometric mean over the rows: (rows, T) → (T)."""
    return np.asarray(np.exp(np.log(np.maximum(norms, _MIN_NORM)).mean(axis=0)))


def norm_line(label: str, style: str, norms: np.ndarray, dashed: bool = False) -> Line:
    """The line of gradient norms (rows, T), with a band around the middle 80 % of the rows.

    Args:
        label: text at the end of the line.
        style: class of the style sheet.
        norms: (rows, T).
        dashed: whether the line is dashed.
    """
    distances = list(range(norms.shape[1]))
    low, high = np.quantile(np.maximum(norms, _MIN_NORM), (0.1, 0.9), axis=0)
    return Line(label, style, distances, list(middle(norms)), list(low), list(high), dashed)
