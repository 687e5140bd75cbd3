"""The section of the lecture page on a task that only memory solves."""

from vaiven.models.lecture.elements import cell_name, figure, is_dashed, named, table
from vaiven.models.lecture.experiments import Lecture
from vaiven.models.lecture.memory import NOISE, SYMBOLS
from vaiven.models.lecture.svg import Line, line_plot
from vaiven.models.lecture.translation import translator


def memory(lecture: Lecture) -> str:
    """Shows how often each cell names a symbol that it read some steps ago."""
    _ = translator(lecture.config.language)
    task = lecture.config.copy_task
    delays = task.measured_delays
    lines = [
        Line(cell_name(cell, _), cell, delays, [100 * share for share in shares], dashed=is_dashed(cell))
        for cell, shares in lecture.memory.items()
    ]
    lines.append(Line(_('chance'), 'plain', delays, [100 / SYMBOLS] * len(delays), dashed=True))
    plot = line_plot(
        lines,
        title=_('Symbols named after a delay'),
        x_label=_('delay, in steps'),
        y_label=_('symbols named, in %'),
        low=0,
        high=100,
    )
    rows = [
        [named(cell, _)] + [f'{share:.0%}' for share in shares] for cell, shares in lecture.memory.items()
    ]
    head = [_('cell'), *[str(delay) for delay in delays]]
    return (
        '<p>'
        + _(
            'A text is often predicted well without much memory. This task is not: among noise of {noise} kinds stands '
            'one of {symbols} symbols, and the network must name it when it reads a question mark, some steps later '
            '(after Hochreiter &amp; Schmidhuber 1997). Nothing but the state carries the symbol over the noise.',
            noise=NOISE,
            symbols=SYMBOLS,
        )
        + '</p><p class="sentence">q b a <b>3</b> c c a b ? → <b>3</b></p>'
        + '<p>'
        + _(
            'Every cell is trained for {steps} steps of {rows} rows, with {units} units and delays of 1 to '
            '{max_delay} steps. Longer delays are measured, but were never trained. Without gates the noise overwrites '
            'the symbol; a gate can learn to close on noise.',
            steps=task.steps,
            rows=task.batch_size,
            units=task.units,
            max_delay=task.max_delay,
        )
        + '</p><div class="grid2">'
        + figure(plot, _('Symbols named, by delay'))
        + '<div class="card">'
        + table(head, rows, _('Symbols named, by cell and delay'))
        + '<p class="note">'
        + _(
            'One training per cell, {rows} rows per delay: differences of a few points are not significant.',
            rows=task.measured_rows,
        )
        + '</p></div></div>'
    )
