"""The sections of the lecture page on gates, learning curves and gaps, each from the numbers that it shows."""

import re
from html import escape

import numpy as np

from vaiven.models.lecture.candidates import GAP, GapCandidates
from vaiven.models.lecture.cells_text import CELL_TEXTS, equation
from vaiven.models.lecture.elements import cell_name, figure, is_dashed, named, scrolling, table
from vaiven.models.lecture.experiments import Lecture
from vaiven.models.lecture.svg import Line, heat_map, line_plot
from vaiven.models.lecture.translation import Language, thousands, translator
from vaiven.models.lecture.word_models import WordModels

_NOVEL_WORDS = 90_000
_GATE_NAMES = {'f': 'forget gate', 'i': 'input gate', 'o': 'output gate'}


def gates(lecture: Lecture) -> str:
    """The section on the gates: heat maps over a sentence."""
    _ = translator(lecture.config.language)
    parts = []
    for cell, reading in lecture.readings.items():
        maps = []
        for name, values in reading.gates.items():
            gate = _(_GATE_NAMES[name])
            mean = _('mean {mean} over these units', mean=f'{values.mean():.2f}')
            title = _('{gate} of the {cell}', gate=gate, cell=cell_name(cell, _))
            maps.append(
                f'<p class="gate"><b>{gate}</b>, {mean}</p>'
                + heat_map(values, reading.tokens, title=title, style=cell, with_tokens=True)
            )
        name = cell_name(cell, _)
        label = _('Gates of the {cell}', cell=name)
        parts.append(f'<figure><h3>{escape(name)}</h3>{scrolling("".join(maps), label)}</figure>')
    if not parts:
        return f'<p>{_("This page contains neither an LSTM nor a peephole LSTM.")}</p>'
    shown = next(iter(lecture.readings.values()))
    return (
        '<p>'
        + _(
            'The cells read a sentence of the held-out text character by character: “{sentence}” Each row is one of '
            'the {units} units whose forget gates vary most. A row shows the same unit in all three maps of a cell; '
            'units with the highest forget gates are at the top. Look at the columns at spaces and at the ends of '
            'words.',
            sentence=escape(''.join(shown.tokens)),
            units=len(shown.units),
        )
        + '</p><p class="note">'
        + _(
            'closed, 0 <span class="key"></span> 1, open. The cells were trained separately, so equal rows of two '
            'cells are unrelated.'
        )
        + f'</p><div class="stack">{"".join(parts)}</div>'
    )


def curves(lecture: Lecture) -> str:
    """The section on learning curves, with the equations of the cells."""
    _ = translator(lecture.config.language)
    config = lecture.config
    lines, rows, cards = [], [], []
    last = {cell: float(np.mean([run.curve.bits[-1] for run in runs])) for cell, runs in lecture.runs.items()}
    for cell, runs in lecture.runs.items():
        bits = np.array([run.curve.bits for run in runs])  # (runs, points)
        name = cell_name(cell, _)
        lines.append(
            Line(
                name,
                cell,
                runs[0].curve.steps[1:],
                list(bits.mean(axis=0))[1:],
                list(bits.min(axis=0))[1:],
                list(bits.max(axis=0))[1:],
                is_dashed(cell),
            )
        )
        seconds = float(np.mean([run.curve.seconds for run in runs]))
        spread = f' ± {np.ptp(bits[:, -1]) / 2:.3f}' if len(runs) > 1 else ''
        weights = thousands(runs[0].parameters, config.language)
        rows.append([named(cell, _), f'{last[cell]:.3f}{spread}', weights, f'{seconds:.0f} s'])
        cards.append(
            f'<div class="card cell {cell}"><h3>{escape(name)}</h3>'
            + ''.join(map(equation, CELL_TEXTS[cell].equations))
            + f'<p class="fact">{escape(_(CELL_TEXTS[cell].source))}<br>'
            + _('{bits} bits per character', bits=f'{last[cell]:.2f}')
            + '</p></div>'
        )
    steps = lines[0].x
    lines.append(Line(_('frequencies'), 'plain', steps, [lecture.frequency_bits] * len(steps), dashed=True))
    values = [value for line in lines for value in line.y]
    characters = thousands(config.batch_size * config.window, config.language)
    plot = line_plot(
        lines,
        title=_('Learning curves of all cells'),
        x_label=_('training steps of {characters} characters', characters=characters),
        y_label=_('bits per character, held out'),
        low=np.floor(min(values) * 5) / 5,
        high=np.ceil(max(values) * 5) / 5,
    )
    best, worst = min(last, key=last.__getitem__), max(last, key=last.__getitem__)
    verdict = (
        _(
            'The lowest final value is that of the {best} cell, {best_bits} bits; the highest is that of the {worst} '
            'cell, {worst_bits} bits. ',
            best=cell_name(best, _),
            best_bits=f'{last[best]:.2f}',
            worst=cell_name(worst, _),
            worst_bits=f'{last[worst]:.2f}',
        )
        if len(last) > 1
        else ''
    )
    columns = (_('cell'), _('bits'), _('weights'), _('time'))
    return (
        '<p>'
        + _(
            'All cells are trained on the same text ({text}, {alphabet} distinct characters), with {units} units, the '
            'same windows in the same order, and the same number of steps. {verdict}A short training on short windows '
            'shows how fast a cell learns, not which cell is best in the end. Differences smaller than the spread of '
            'the seeds are not significant. Cells with more gates have more weights.',
            text=escape(lecture.corpora[0].name),
            alphabet=lecture.alphabet,
            units=config.units,
            verdict=verdict,
        )
        + f'</p><div class="grid2">{figure(plot, _("Bits per character of the held-out text"))}<div class="card">'
        + table(columns, rows, _('Results by cell'))
        + '<p class="note">'
        + _(
            'Bits per character at the end, ± half the range over the seeds. “Frequencies” is a model that only knows '
            'the frequency of each character. The first point, before training, is not shown.'
        )
        + f'</p></div></div><h3>{_("Equations")}</h3><p class="note">'
        + _(
            'x is the input, h the hidden state, c the cell state, σ the logistic function, ∘ the elementwise product.'
        )
        + f'</p><div class="grid2">{"".join(cards)}</div>'
    )


def words(lecture: Lecture) -> str:
    """The section on candidates for gaps."""
    language = lecture.config.language
    _ = translator(language)
    return (
        '<p>'
        + _(
            'A forward model reads the words before the gap; a backward model reads the words after it, from the end '
            '(Schuster &amp; Paliwal 1997). “Both” multiplies the two probabilities and divides by the frequency of '
            'the word, which assumes that the two contexts are independent given the word. <span class="sentence">'
            '<span class="unknown">Underlined</span></span> words are not in the vocabulary of the model.'
        )
        + '</p>'
        + ''.join(_word_section(models, language) for models in lecture.words)
    )


def _word_section(models: WordModels, language: Language) -> str:
    _ = translator(language)
    perplexity = models.perplexity
    novels = max(1, round(models.training_words / _NOVEL_WORDS))
    skipped = (
        '<p class="note">'
        + _(
            'Skipped, because this text contains too few of their words: {sentences}. Add a text in their language '
            'with --data to fill them.',
            sentences='; '.join(f'“{escape(sentence)}”' for sentence in models.skipped_sentences),
        )
        + '</p>'
        if models.skipped_sentences
        else ''
    )
    return (
        f'<h3>{escape(models.name)}</h3><p>'
        + _(
            '<b>Limits:</b> the models were trained on {words} words, {passes} epochs. This is about as much as '
            '{novels}, and very little: large language models are trained on millions of times as much. The vocabulary '
            'has {vocabulary} words; {unknown} of the held-out words are not in it. Held-out perplexity: {forward} '
            'forward, {backward} backward, {frequency} for a model of word frequencies alone. Expect the right kind of '
            'word (a noun after an article), rarely the right word.',
            words=thousands(models.training_words, language),
            passes=f'{models.passes:.1f}',
            novels=_('{count} novels', count=novels) if novels > 1 else _('one novel'),
            vocabulary=thousands(models.vocabulary_size, language),
            unknown=f'{models.unknown_share:.0%}',
            **{name: f'{value:.0f}' for name, value in perplexity.items()},
        )
        + f'</p><div class="stack">{"".join(_gap(gap, language) for gap in models.gaps)}</div>{skipped}'
    )


def _gap(gap: GapCandidates, language: Language) -> str:
    _ = translator(language)
    words_html = []
    for part in re.split(r'(\w+|…)', gap.sentence):
        if part == GAP:
            words_html.append('<span class="gap">&nbsp;</span>')
        elif part in gap.unknown:
            words_html.append(f'<span class="unknown">{escape(part)}</span>')
        else:
            words_html.append(escape(re.sub(r'^ ([.,])', r'\1', part)))
    columns = [(_('forward'), gap.forward)]
    if gap.backward:
        columns += [(_('backward'), gap.backward), (_('both'), gap.both)]
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
