"""The four sections of the lecture page as HTML, each from the numbers that it shows."""

import re
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from vaiven.models.lecture.candidates import GAP, GapCandidates
from vaiven.models.lecture.cells_text import CELL_TEXTS, equation
from vaiven.models.lecture.experiments import Lecture
from vaiven.models.lecture.svg import Line, heat_map, line_plot
from vaiven.models.lecture.word_models import WordModels

_MIN_NORM = 1e-30  # smaller norms are negligible, and 0 has no logarithm
_DASHED = ('gru_reset_before', 'peephole_coupled_lstm', 'full_peephole_lstm', 'min_gru', 'min_lstm')
_NOVEL_WORDS = 90_000
_GATE_NAMES = {'f': 'forget gate', 'i': 'input gate', 'o': 'output gate'}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Formats a table; the cells are HTML already."""
    header = ''.join(f'<th>{cell}</th>' for cell in head)
    body = ''.join('<tr>' + ''.join(f'<td>{cell}</td>' for cell in row) + '</tr>' for row in rows)
    return f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'


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


def _named(cell: str) -> str:
    return f'<span class="swatch {cell}"></span>{escape(CELL_TEXTS[cell].name)}'


def middle(norms: np.ndarray) -> np.ndarray:
    """Computes the geometric mean over the rows: (rows, T) → (T)."""
    return np.asarray(np.exp(np.log(np.maximum(norms, _MIN_NORM)).mean(axis=0)))


def _line(label: str, style: str, norms: np.ndarray, dashed: bool = False) -> Line:
    distances = list(range(norms.shape[1]))
    low, high = np.quantile(np.maximum(norms, _MIN_NORM), (0.1, 0.9), axis=0)
    return Line(label, style, distances, list(middle(norms)), list(low), list(high), dashed)


def _panel(title: str, norms: dict[str, np.ndarray], low: float, y_label: str) -> str:
    lines = [_line(CELL_TEXTS[cell].name, cell, value, cell in _DASHED) for cell, value in norms.items()]
    return line_plot(
        lines,
        title=title,
        x_label='distance T − t, in characters',
        y_label=y_label,
        low=low,
        high=3,
        log=True,
    )


def gradients(lecture: Lecture) -> str:
    """The section on vanishing and exploding gradients."""

    def norms_by_cell(when: str, state: str) -> dict[str, np.ndarray]:
        run_norms = {
            cell: [getattr(getattr(run, when), state) for run in runs] for cell, runs in lecture.runs.items()
        }
        return {
            cell: np.concatenate(norms)  # (runs · excerpts, T)
            for cell, norms in run_norms.items()
            if all(norm is not None for norm in norms)
        }

    config = lecture.config
    before, after = norms_by_cell('untrained', 'hidden'), norms_by_cell('trained', 'hidden')
    lowest = min(float(middle(norms)[-1]) for norms in (*before.values(), *after.values()))
    low = 10.0 ** max(-12, np.floor(np.log10(lowest)))
    label = 'norm of ∂h(T) / ∂h(t)'
    hidden = figure(
        _panel('Gradient norms after initialisation', before, low, label), 'After initialisation'
    ) + figure(
        _panel(f'Gradient norms after {config.steps} steps', after, low, label),
        f'After {config.steps} steps of training',
    )
    places = [d for d in (1, 10, 30, config.distance - 1) if d < config.distance]
    rows = [
        [_named(cell)] + [f'{middle(norms[cell])[d]:.1e}' for norms in (before, after) for d in places]
        for cell in lecture.runs
    ]
    head = ['cell', *[f'initial, {d}' for d in places], *[f'trained, {d}' for d in places]]
    cell_state = norms_by_cell('trained', 'cell_state')
    cell_state_figure = (
        figure(
            _panel('Gradient norms with respect to the cell state', cell_state, low, 'norm of ∂h(T) / ∂c(t)'),
            'Gradients of the cell state, after training',
            'An LSTM has two states. This plot shows the derivative with respect to c(t). The path '
            'c(t+1) = f ∘ c(t) + … contains neither a matrix nor a tanh: it is the “constant error carousel” of '
            'Hochreiter &amp; Schmidhuber (1997), attenuated by the forget gate f.',
        )
        if cell_state
        else ''
    )
    scaled = [
        _line(f'factor {factor:g}', f'step{number}', norms)
        for number, (factor, norms) in enumerate(lecture.scaled.items())
    ]
    explosion = figure(
        line_plot(
            scaled,
            title='Gradient norms of a simple RNN with its recurrent matrix scaled',
            x_label='distance T − t, in steps',
            y_label=label,
            low=1e-8,
            high=1e8,
            log=True,
        ),
        'Vanishing and exploding gradients: a simple RNN with a scaled matrix',
        'W is an orthogonal matrix times a factor; the inputs are noise with standard deviation 0.1. With a factor '
        'below 1 the gradient must vanish. Above 1 it can explode (Bengio et al. 1994; Pascanu et al. 2013), and '
        'does so until the units saturate: tanh′ then cancels the factor of W. Clipping limits exploding gradients; '
        'gated cells reduce vanishing gradients.',
    )
    return (
        '<p>Backpropagation through time multiplies one Jacobian per step. The plots show the norm of the product, '
        f'∂h<sub>T</sub>/∂h<sub>t</sub>, over the distance T − t, on {config.excerpts} excerpts of held-out text and '
        f'{config.runs} seed{"s" if config.runs > 1 else ""}. The line is the geometric mean; the band contains the '
        'middle 80 % of excerpts and seeds. A norm of 1 means that a change of the state at t has the same effect '
        'at T as a change at T itself.</p>'
        f'<div class="grid2">{hidden}</div>'
        '<p class="note">The norm is the Frobenius norm divided by √units, the root mean square of the singular '
        'values, computed by automatic differentiation. If a cell has a cell state c<sub>t</sub>, it is kept constant. '
        'All recurrent matrices are initialised orthogonally (Saxe et al. 2014), and the biases of the forget gates '
        'with 1 (Jozefowicz et al. 2015). The left plot depends on this initialisation as much as on the equations. '
        'Gates that start half open halve the gradient at each step; training changes this only as far as it helps to '
        'predict the next character. Peephole weights start at zero, so before training a cell with peepholes equals '
        'the cell without.</p>'
        f'<details><summary>Values as a table</summary>{table(head, rows)}</details>'
        f'<div class="grid2">{cell_state_figure}{explosion}</div>'
    )


def gates(lecture: Lecture) -> str:
    """The section on the gates: heat maps over a sentence."""
    parts = []
    for cell, reading in lecture.readings.items():
        maps = []
        for name, values in reading.gates.items():
            title = f'{_GATE_NAMES[name]} of the {CELL_TEXTS[cell].name}'
            maps.append(
                f'<p class="gate"><b>{_GATE_NAMES[name]}</b>, mean {values.mean():.2f} over these units</p>'
                + heat_map(values, reading.tokens, title=title, style=cell, with_tokens=True)
            )
        parts.append(
            f'<figure><h3>{escape(CELL_TEXTS[cell].name)}</h3><div class="scroll">{"".join(maps)}</div></figure>'
        )
    if not parts:
        return '<p>This page contains neither an LSTM nor a peephole LSTM.</p>'
    shown = next(iter(lecture.readings.values()))
    return (
        f'<p>The cells read a sentence of the held-out text character by character: '
        f'“{escape("".join(shown.tokens))}” Each row is one of the {len(shown.units)} units whose forget gates vary '
        'most. A row shows the same unit in all three maps of a cell; units with the highest forget gates are at the '
        'top. Look at the columns at spaces and at the ends of words.</p>'
        '<p class="note">closed, 0 <span class="key"></span> 1, open. The cells were trained separately, so equal rows '
        'of two cells are unrelated.</p>'
        f'<div class="stack">{"".join(parts)}</div>'
    )


def curves(lecture: Lecture) -> str:
    """The section on learning curves, with the equations of the cells."""
    config = lecture.config
    lines, rows, cards = [], [], []
    last = {cell: float(np.mean([run.curve.bits[-1] for run in runs])) for cell, runs in lecture.runs.items()}
    for cell, runs in lecture.runs.items():
        bits = np.array([run.curve.bits for run in runs])  # (runs, points)
        text = CELL_TEXTS[cell]
        lines.append(
            Line(
                text.name,
                cell,
                runs[0].curve.steps[1:],
                list(bits.mean(axis=0))[1:],
                list(bits.min(axis=0))[1:],
                list(bits.max(axis=0))[1:],
                cell in _DASHED,
            )
        )
        seconds = float(np.mean([run.curve.seconds for run in runs]))
        spread = f' ± {np.ptp(bits[:, -1]) / 2:.3f}' if len(runs) > 1 else ''
        rows.append(
            [_named(cell), f'{last[cell]:.3f}{spread}', f'{runs[0].parameters:,}', f'{seconds:.0f} s']
        )
        cards.append(
            f'<div class="card cell {cell}"><h3>{escape(text.name)}</h3>'
            + ''.join(map(equation, text.equations))
            + f'<p class="fact">{escape(text.source)}<br>{last[cell]:.2f} bits per character</p></div>'
        )
    steps = lines[0].x
    lines.append(Line('frequencies', 'plain', steps, [lecture.frequency_bits] * len(steps), dashed=True))
    values = [value for line in lines for value in line.y]
    plot = line_plot(
        lines,
        title='Learning curves of all cells',
        x_label=f'training steps of {config.batch_size * config.window:,} characters',
        y_label='bits per character, held out',
        low=np.floor(min(values) * 5) / 5,
        high=np.ceil(max(values) * 5) / 5,
    )
    best, worst = min(last, key=last.__getitem__), max(last, key=last.__getitem__)
    verdict = (
        f'The lowest final value is that of the {CELL_TEXTS[best].name} cell, {last[best]:.2f} bits; the highest is '
        f'that of the {CELL_TEXTS[worst].name} cell, {last[worst]:.2f} bits. '
        if len(last) > 1
        else ''
    )
    return (
        f'<p>All cells are trained on the same text ({escape(lecture.corpora[0].name)}, {lecture.alphabet} distinct '
        f'characters), with {config.units} units, the same windows in the same order, and the same number of steps. '
        f'{verdict}A short training on short windows shows how fast a cell learns, not which cell is best in the end. '
        'Differences smaller than the spread of the seeds are not significant. Cells with more gates have more '
        'weights.</p>'
        f'<div class="grid2">{figure(plot, "Bits per character of the held-out text")}'
        f'<div class="card">{table(("cell", "bits", "weights", "time"), rows)}'
        '<p class="note">Bits per character at the end, ± half the range over the seeds. “Frequencies” is a model '
        'that only knows the frequency of each character. The first point, before training, is not '
        'shown.</p></div></div>'
        '<h3>Equations</h3><p class="note">x is the input, h the hidden state, c the cell state, σ the logistic '
        'function, ∘ the elementwise product.</p>'
        f'<div class="grid2">{"".join(cards)}</div>'
    )


def words(lecture: Lecture) -> str:
    """The section on candidates for gaps."""
    return (
        '<p>A forward model reads the words before the gap; a backward model reads the words after it, from the end '
        '(Schuster &amp; Paliwal 1997). “Both” multiplies the two probabilities and divides by the frequency of the '
        'word, which assumes that the two contexts are independent given the word. <span class="sentence">'
        '<span class="unknown">Underlined</span></span> words are not in the vocabulary of the model.</p>'
        + ''.join(map(_word_section, lecture.words))
    )


def _word_section(models: WordModels) -> str:
    perplexity = models.perplexity
    novels = max(1, round(models.training_words / _NOVEL_WORDS))
    skipped = (
        '<p class="note">Skipped, because this text contains too few of their words: '
        + '; '.join(f'“{escape(sentence)}”' for sentence in models.skipped_sentences)
        + '. Add a text in their language with --data to fill them.</p>'
        if models.skipped_sentences
        else ''
    )
    return (
        f'<h3>{escape(models.name)}</h3>'
        f'<p><b>Limits:</b> the models were trained on {models.training_words:,} words, {models.passes:.1f} epochs. '
        f'This is about as much as {novels} novel{"s" if novels > 1 else ""}, and very little: large language models '
        f'are trained on millions of times as much. The vocabulary has {models.vocabulary_size:,} words; '
        f'{models.unknown_share:.0%} of the held-out words are not in it. Held-out perplexity: '
        f'{perplexity["forward"]:.0f} forward, {perplexity["backward"]:.0f} backward, {perplexity["frequency"]:.0f} '
        'for a model of word frequencies alone. Expect the right kind of word (a noun after an article), rarely the '
        'right word.</p>'
        f'<div class="stack">{"".join(_gap(gap) for gap in models.gaps)}</div>{skipped}'
    )


def _gap(gap: GapCandidates) -> str:
    words_html = []
    for part in re.split(r'(\w+|…)', gap.sentence):
        if part == GAP:
            words_html.append('<span class="gap">&nbsp;</span>')
        elif part in gap.unknown:
            words_html.append(f'<span class="unknown">{escape(part)}</span>')
        else:
            words_html.append(escape(re.sub(r'^ ([.,])', r'\1', part)))
    columns = [('forward', gap.forward)]
    if gap.backward:
        columns += [('backward', gap.backward), ('both', gap.both)]
    content = ''.join(
        f'<div><h3>{title}</h3>'
        + ''.join(
            f'<div class="bar"><i style="width:{100 * share / candidates[0][1]:.1f}%"></i>'
            f'<span>{escape(word)}</span><span>{share:.1%}</span></div>'
            for word, share in candidates
        )
        + '</div>'
        for title, candidates in columns
    )
    single = '' if gap.backward else ' one'
    return f'<figure><p class="sentence">{"".join(words_html)}</p><div class="columns{single}">{content}</div></figure>'
