"""The lecture page: one HTML file that loads nothing else, so it works offline."""

import dataclasses
import json
import os
from collections.abc import Iterable
from html import escape
from importlib.metadata import version
from typing import Any

import numpy as np

from vaiven.atomic import replacing
from vaiven.errors import UserError
from vaiven.models.lecture import sections
from vaiven.models.lecture.cells_text import REFERENCE_NOTES, REFERENCES
from vaiven.models.lecture.elements import middle, table
from vaiven.models.lecture.experiments import Lecture
from vaiven.models.lecture.gradient_section import gradients
from vaiven.models.lecture.memory_section import memory
from vaiven.models.lecture.style import STYLE
from vaiven.models.lecture.translation import thousands, translator


def render_page(lecture: Lecture) -> str:
    """Returns the whole HTML document."""
    language = lecture.config.language
    _ = translator(language)
    notes = {name: f' <span class="note">({_(note)})</span>' for name, note in REFERENCE_NOTES.items()}
    references = ''.join(
        f'<li>{escape(reference)}{notes.get(reference.partition(",")[0], "")}</li>'
        for reference in REFERENCES
    )
    parts = [
        ('gradients', _('How far gradients reach'), gradients(lecture)),
        ('gates', _('What the gates do'), sections.gates(lecture)),
        ('curves', _('How fast each cell learns'), sections.curves(lecture)),
        ('memory', _('What each cell remembers'), memory(lecture)),
        ('words', _('Which word fills the gap'), sections.words(lecture)),
        ('made', _('How this page was computed'), method(lecture)),
        ('references', _('References'), f'<ol>{references}</ol>'),
    ]
    menu = ''.join(f'<a href="#{key}">{title}</a>' for key, title, _content in parts)
    body = ''.join(
        f'<section id="{key}"><h2>{title}</h2>{content}</section>' for key, title, content in parts
    )
    title = _('Recurrent networks, cell by cell')
    count = len(lecture.runs)
    lead = _(
        '{cells}, trained on the same text. How far do gradients reach, what do the gates do, how fast does each cell '
        'learn, what does it remember, and which words does it predict? All values were computed when this page was '
        'created, in {seconds} seconds.',
        cells=_('{count} recurrent cells', count=count) if count > 1 else _('One recurrent cell'),
        seconds=f'{sum(lecture.seconds.values()):.0f}',
    )
    # `</` inside a string would end the script element.
    figures = json.dumps(figures_data(lecture), ensure_ascii=False).replace('</', '<\\/')
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{title}</title><style>{STYLE}</style></head><body><main>'
        f'<header><h1>{title}</h1><p class="lead">{lead}</p><nav>{menu}</nav></header>'
        f'{body}</main><script type="application/json" id="figures">{figures}</script></body></html>\n'
    )


def method(lecture: Lecture) -> str:
    """The section on how the page was made: texts, seeds, sizes, times and versions."""
    config = lecture.config
    _ = translator(config.language)
    texts = table(
        (_('text'), _('characters'), _('training passages'), _('held-out passages'), ''),
        (
            (
                escape(text.name),
                *(
                    thousands(number, config.language)
                    for number in (text.characters, len(text.training), len(text.held_out))
                ),
                _('truncated') if text.is_truncated else _('complete'),
            )
            for text in lecture.corpora
        ),
        _('Texts'),
    )
    items = (
        _(
            'Seeds: {seeds} for the cells, {seed} for everything else.',
            seeds=', '.join(str(config.seed + run) for run in range(config.runs)),
            seed=config.seed,
        ),
        _(
            'Character models: one layer of {units} units, embeddings of size {embedding_size}, {steps} steps of '
            '{batch_size} windows of {window} characters, Adam with a learning rate from {learning_rate} along a '
            'cosine, gradients clipped at norm 1 (Pascanu et al. 2013). No dropout. The state is zero at the start of '
            'each window, in training and in evaluation.',
            **dataclasses.asdict(config),
        ),
        _(
            'Word models: an LSTM of {word_units} units, at most {word_steps} steps of {batch_size} windows of '
            '{word_window} words. Training stops when the perplexity of the last tenth of the training part has not '
            'improved for {word_patience} of {word_measurements} measurements, and the best weights are kept.',
            **dataclasses.asdict(config),
        ),
        _(
            'Every tenth passage (line, sentence or paragraph) of a text is held out. It comes from the same documents '
            'as the rest, so it is easier to predict than a text by another author.'
        ),
        _(
            'Time: {seconds}, on {cores} processor cores.',
            seconds=', '.join(f'{_(part)} {value:.0f} s' for part, value in lecture.seconds.items()),
            cores=os.cpu_count(),
        ),
        _(
            'Versions: {versions}.',
            versions=', '.join(
                f'{name} {version(name)}' for name in ('vaiven', 'keras', 'tensorflow', 'numpy')
            ),
        ),
    )
    return texts + '<ul>' + ''.join(f'<li>{item}</li>' for item in items) + '</ul>'


def figures_data(lecture: Lecture) -> dict[str, Any]:
    """Returns all numbers that the page plots, for the JSON inside the page."""

    def mean(norms: Iterable[np.ndarray]) -> list[float]:
        return [float(f'{value:.4g}') for value in middle(np.concatenate(list(norms)))]

    return {
        'seed': lecture.config.seed,
        'gradients': {
            cell: {
                'untrained': mean(run.untrained.hidden for run in runs),
                'trained': mean(run.trained.hidden for run in runs),
            }
            for cell, runs in lecture.runs.items()
        },
        'curves': {
            cell: [{'steps': run.curve.steps, 'bits': [round(b, 4) for b in run.curve.bits]} for run in runs]
            for cell, runs in lecture.runs.items()
        },
        'words': {
            models.name: {gap.sentence: [word for word, _ in gap.forward] for gap in models.gaps}
            for models in lecture.words
        },
        'memory': {
            cell: dict(zip(lecture.config.copy_task.measured_delays, shares, strict=True))
            for cell, shares in lecture.memory.items()
        },
        'seconds': {part: round(value, 1) for part, value in lecture.seconds.items()},
    }


def check_output(path: str) -> None:
    """Checks that the page can be written, before anything is computed.

    Raises:
        UserError: the path is a directory, or its folder does not exist or is not writable.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise UserError(f'{path}: is a directory; name a file with --output')
    if not os.path.isdir(folder):
        raise UserError(
            f'{path}: the folder {folder!r} does not exist; create it, or name another file with --output'
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f'{path}: the folder {folder!r} is not writable; name another file with --output')


def write_page(path: str, text: str) -> None:
    """Writes the file atomically.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        with replacing(path) as stream:
            stream.write(text)
    except OSError as error:
        raise UserError(f'{path}: cannot be written ({error.strerror})') from error
