"""Plots as SVG. Colours come from the style sheet of the page, so that they follow light and dark mode.

Sizes are in pixels of a panel that is 460 wide: two fit side by side on a screen, and one fills a phone.
"""

import dataclasses
import math
import zlib
from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 460, 330
LEFT, RIGHT, TOP, BOTTOM = 58, 148, 14, 44
_LABEL_DISTANCE = 15
_SUPERSCRIPT = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')
_SHADES = 10  # shades of a heat map


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a plot.

    Attributes:
        label: text at the end of the line, and its tooltip.
        style: class of the style sheet that sets the colour `--line`.
        x, y: coordinates of the points.
        low, high: lower and upper edge of a band, or None.
        dashed: whether the line is dashed.
    """

    label: str
    style: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    dashed: bool = False


def power_of_ten(exponent: int) -> str:
    """Formats a power of ten, as `10⁻³`."""
    return '1' if exponent == 0 else '10' + str(exponent).translate(_SUPERSCRIPT)


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Chooses round numbers for the ticks of an axis.

    Args:
        low, high: ends of the axis.
        about: approximate number of ticks.
    """
    raw = (high - low) / about or 1.0  # equal ends would give a step of 0
    unit = 10.0 ** math.floor(math.log10(raw))
    step = unit * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def line_plot(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_label: str,
    low: float,
    high: float,
    log: bool = False,
) -> str:
    """Draws a panel.

    Args:
        lines: lines on the same scale.
        title: text for screen readers.
        x_label, y_label: labels of the axes.
        low, high: ends of the vertical axis; lines outside of it are clipped.
        log: whether the vertical axis is logarithmic.
    """
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    x_low = min(min(line.x) for line in lines)
    x_high = max(max(line.x) for line in lines)

    def scale(value: float) -> float:
        return math.log10(max(value, 1e-300)) if log else value

    def across(value: float) -> float:
        return LEFT + (value - x_low) / ((x_high - x_low) or 1) * (right - LEFT)

    def down(value: float) -> float:
        share = (scale(value) - scale(low)) / (scale(high) - scale(low))
        return bottom - min(max(share, -0.2), 1.2) * (bottom - TOP)

    def path(x: Sequence[float], y: Sequence[float]) -> str:
        return ' '.join(f'{across(a):.1f},{down(b):.1f}' for a, b in zip(x, y, strict=True))

    parts = [f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    clip = f'clip-{zlib.crc32(title.encode()):08x}'
    parts.append(
        f'<clipPath id="{clip}"><rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}"/></clipPath>'
    )
    if log:
        exponents = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        every = max(1, math.ceil(len(exponents) / 7))  # at most seven labels
        ticks = [(10.0**e, power_of_ten(e)) for e in exponents if e % every == 0]
    else:
        ticks = [(value, f'{value:g}') for value in nice_ticks(low, high)]
    for value, text in ticks:
        y = down(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for value in nice_ticks(x_low, x_high):
        x = across(value)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>'
            f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(
        f'<text class="axis" x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 7}" text-anchor="middle">'
        f'{escape(x_label)}</text>'
        f'<text class="axis" text-anchor="middle" transform="translate(12 {(TOP + bottom) / 2:.0f}) rotate(-90)">'
        f'{escape(y_label)}</text>'
    )
    parts.append(f'<g clip-path="url(#{clip})">')
    for line in lines:
        if line.low is not None and line.high is not None:
            outline = f'{path(line.x, line.high)} {path(line.x[::-1], line.low[::-1])}'
            parts.append(f'<polygon class="band {line.style}" points="{outline}"/>')
    for line in lines:
        dashed = ' dashed' if line.dashed else ''
        parts.append(
            f'<polyline class="line {line.style}{dashed}" points="{path(line.x, line.y)}">'
            f'<title>{escape(line.label)}</title></polyline>'
        )
    parts.append('</g>')
    ends = [min(max(down(line.y[-1]), TOP), bottom) for line in lines]
    for line, end, position in zip(lines, ends, spread(ends, TOP + 4, bottom), strict=True):
        parts.append(
            f'<path class="leader {line.style}" d="M{right + 1} {end:.1f}L{right + 11} {position:.1f}"/>'
            f'<text class="label {line.style}" x="{right + 14}" y="{position + 4:.1f}">{escape(line.label)}</text>'
        )
    return ''.join(parts) + '</svg>'


def spread(
    wanted: Sequence[float], low: float, high: float, distance: float = _LABEL_DISTANCE
) -> list[float]:
    """Spreads labels: returns positions near the wanted ones, in the same order, at least `distance` apart.

    Args:
        wanted: vertical positions.
        low, high: limits of the positions.
        distance: minimum distance; smaller if there is no room.
    """
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    positions = [0.0] * len(wanted)
    at = low - distance
    for number in order:
        at = positions[number] = max(wanted[number], at + distance)
    at = high + distance
    for number in reversed(order):
        at = positions[number] = min(positions[number], at - distance)
    return positions


def heat_map(values: np.ndarray, tokens: Sequence[str], *, title: str, style: str, with_tokens: bool) -> str:
    """Draws values between 0 and 1 as a heat map; darker is closer to 1.

    There is one path per shade: one element per value would make the page large.

    Args:
        values: (tokens, units); a column per token, a row per unit.
        tokens: labels of the columns.
        title: text for screen readers.
        style: class of the style sheet that sets the colour.
        with_tokens: whether to draw the labels.
    """
    width, row_height = 15, 6
    count, units = values.shape
    height = units * row_height + (18 if with_tokens else 0)
    shades = np.clip((values * _SHADES).astype(int), 0, _SHADES - 1)
    parts = [
        f'<svg class="heat {style}" width="{count * width}" height="{height}" '
        f'viewBox="0 0 {count * width} {height}" role="img" aria-label="{escape(title)}">'
        f'<rect class="ground" width="{count * width}" height="{units * row_height}"/>'
    ]
    for shade in range(_SHADES):
        positions = np.argwhere(shades == shade)
        if len(positions):
            d = ''.join(f'M{t * width} {u * row_height}h{width}v{row_height}h-{width}z' for t, u in positions)
            parts.append(f'<path class="shade" fill-opacity="{(shade + 0.5) / _SHADES:.2f}" d="{d}"/>')
    if with_tokens:
        for number, token in enumerate(tokens):
            space = ' space' if token == ' ' else ''
            parts.append(
                f'<text class="token{space}" x="{number * width + width / 2}" y="{units * row_height + 13}" '
                f'text-anchor="middle">{escape("␣" if space else token)}</text>'
            )
    return ''.join(parts) + '</svg>'
