"""The section of the lecture page on vanishing and exploding gradients."""

from html import escape

import numpy as np

from vaiven.models.lecture.elements import (
    cell_name,
    figure,
    is_dashed,
    middle,
    named,
    norm_line,
    table,
)
from vaiven.models.lecture.experiments import Lecture
from vaiven.models.lecture.svg import line_plot
from vaiven.models.lecture.translation import Translate, translator


def gradients(lecture: Lecture) -> str:
    """Shows how far gradients reach, before and after training."""
    _ = translator(lecture.config.language)
    config = lecture.config
    before, after = _by_cell(lecture, 'untrained', 'hidden'), _by_cell(lecture, 'trained', 'hidden')
    lowest = min(float(middle(norms)[-1]) for norms in (*before.values(), *after.values()))
    low = 10.0 ** max(-12, np.floor(np.log10(lowest)))
    label = _('norm of ∂h(T) / ∂h(t)')
    hidden = figure(
        _panel(_('Gradient norms after initialisation'), before, low, label, _), _('After initialisation')
    ) + figure(
        _panel(_('Gradient norms after {steps} steps', steps=config.steps), after, low, label, _),
        _('After {steps} steps of training', steps=config.steps),
    )
    places = [d for d in (1, 10, 30, config.distance - 1) if d < config.distance]
    rows = [
        [named(cell, _)] + [f'{middle(norms[cell])[d]:.1e}' for norms in (before, after) for d in places]
        for cell in lecture.runs
    ]
    head = [
        _('cell'),
        *[_('initial, {distance}', distance=d) for d in places],
        *[_('trained, {distance}', distance=d) for d in places],
    ]
    cell_state = _by_cell(lecture, 'trained', 'cell_state')
    cell_state_figure = (
        figure(
            _panel(
                _('Gradient norms with respect to the cell state'),
                cell_state,
                low,
                _('norm of ∂h(T) / ∂c(t)'),
                _,
            ),
            _('Gradients of the cell state, after training'),
            _(
                'An LSTM has two states. This plot shows the derivative with respect to c(t). The path '
                'c(t+1) = f ∘ c(t) + … contains neither a matrix nor a tanh: it is the “constant error carousel” of '
                'Hochreiter &amp; Schmidhuber (1997), attenuated by the forget gate f.'
            ),
        )
        if cell_state
        else ''
    )
    seeds = _('{count} seeds', count=config.runs) if config.runs > 1 else _('{count} seed', count=config.runs)
    return (
        '<p>'
        + _(
            'Backpropagation through time multiplies one Jacobian per step. The plots show the norm of the product, '
            '∂h<sub>T</sub>/∂h<sub>t</sub>, over the distance T − t, on {excerpts} excerpts of held-out text and '
            '{seeds}. The line is the geometric mean; the band contains the middle 80 % of excerpts and seeds. A norm '
            'of 1 means that a change of the state at t has the same effect at T as a change at T itself.',
            excerpts=config.excerpts,
            seeds=seeds,
        )
        + f'</p><div class="grid2">{hidden}</div><p class="note">'
        + _(
            'The norm is the Frobenius norm divided by √units, the root mean square of the singular values, computed '
            'by automatic differentiation. If a cell has a cell state c<sub>t</sub>, it is kept constant. All '
            'recurrent matrices are initialised orthogonally (Saxe et al. 2014), and the biases of the forget gates '
            'with 1 (Jozefowicz et al. 2015), except those of the minLSTM. The left plot depends on this '
            'initialisation as much as on the equations. Gates that start half open halve the gradient at each step; '
            'training changes this only as far as it helps to predict the next character. Peephole weights start at '
            'zero, so before training a cell with peepholes equals the cell without.'
        )
        + f'</p><details><summary>{_("Values as a table")}</summary>'
        + table(head, rows, _('Gradient norms by cell and distance'))
        + f'</details><div class="grid2">{cell_state_figure}{_explosion(lecture, label, _)}</div>'
    )


def _by_cell(lecture: Lecture, when: str, state: str) -> dict[str, np.ndarray]:
    """The norms of each cell that has the state, (runs · excerpts, T)."""
    run_norms = {
        cell: [getattr(getattr(run, when), state) for run in runs] for cell, runs in lecture.runs.items()
    }
    return {
        cell: np.concatenate(norms)
        for cell, norms in run_norms.items()
        if all(norm is not None for norm in norms)
    }


def _panel(title: str, norms: dict[str, np.ndarray], low: float, y_label: str, _: Translate) -> str:
    lines = [norm_line(cell_name(cell, _), cell, value, is_dashed(cell)) for cell, value in norms.items()]
    return line_plot(
        lines,
        title=title,
        x_label=_('distance T − t, in characters'),
        y_label=y_label,
        low=low,
        high=3,
        log=True,
    )


def _explosion(lecture: Lecture, y_label: str, _: Translate) -> str:
    lines = [
        norm_line(_('factor {factor}', factor=f'{factor:g}'), f'step{number}', norms)
        for number, (factor, norms) in enumerate(lecture.scaled.items())
    ]
    plot = line_plot(
        lines,
        title=_('Gradient norms of a simple RNN with its recurrent matrix scaled'),
        x_label=_('distance T − t, in steps'),
        y_label=y_label,
        low=1e-8,
        high=1e8,
        log=True,
    )
    return figure(
        plot,
        escape(_('Vanishing and exploding gradients: a simple RNN with a scaled matrix')),
        _(
            'W is an orthogonal matrix times a factor; the inputs are noise with standard deviation 0.1. With a factor '
            'below 1 the gradient must vanish. Above 1 it can explode (Bengio et al. 1994; Pascanu et al. 2013), and '
            'does so until the units saturate: tanh′ then cancels the factor of W. Clipping limits exploding '
            'gradients; gated cells reduce vanishing gradients.'
        ),
    )
