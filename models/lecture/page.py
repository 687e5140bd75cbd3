"""The lecture page: one HTML file that loads nothing else, so it works offline."""

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
from vaiven.models.lecture.cells_text import REFERENCES
from vaiven.models.lecture.experiments import Lecture
from vaiven.models.lecture.style import STYLE


def render_page(lecture: Lecture) -> str:
    """Returns the whole HTML document."""
    parts = [
        ('gradients', 'How far gradients reach', sections.gradients(lecture)),
        ('gates', 'What the gates do', sections.gates(lecture)),
        ('curves', 'How fast each cell learns', sections.curves(lecture)),
        ('words', 'Which word fills the gap', sections.words(lecture)),
        ('made', 'How this page was computed', method(lecture)),
        ('references', 'References', '<ol>' + ''.join(f'<li>{escape(r)}</li>' for r in REFERENCES) + '</ol>'),
    ]
    menu = ''.join(f'<a href="#{key}">{title}</a>' for key, title, _ in parts)
    body = ''.join(
        f'<section id="{key}"><h2>{title}</h2>{content}</section>' for key, title, content in parts
    )
    count = len(lecture.runs)
    # `</` inside a string would end the script element.
    figures = json.dumps(figures_data(lecture), ensure_ascii=False).replace('</', '<\\/')
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<title>Recurrent networks, cell by cell</title>'
        f'<style>{STYLE}</style></head><body><main>'
        '<header><h1>Recurrent networks, cell by cell</h1>'
        f'<p class="lead">{count} recurrent cell{"s" if len(lecture.runs) > 1 else ""}, trained on the same text. How '
        'far do gradients reach, what do the gates do, how fast does each cell learn, and which words does it '
        'predict? All values were computed when this page was created, in '
        f'{sum(lecture.seconds.values()):.0f} seconds.</p>'
        f'<nav>{menu}</nav></header>'
        f'{body}</main><script type="application/json" id="figures">{figures}</script></body></html>\n'
    )


def method(lecture: Lecture) -> str:
    """The section on how the page was made: texts, seeds, sizes, times and versions."""
    config = lecture.config
    texts = sections.table(
        ('text', 'characters', 'training passages', 'held-out passages', ''),
        (
            (
                escape(text.name),
                f'{text.characters:,}',
                f'{len(text.training):,}',
                f'{len(text.held_out):,}',
                'truncated' if text.is_truncated else 'complete',
            )
            for text in lecture.corpora
        ),
    )
    seeds = ', '.join(str(config.seed + run) for run in range(config.runs))
    versions = ', '.join(f'{name} {version(name)}' for name in ('vaiven', 'keras', 'tensorflow', 'numpy'))
    seconds = ', '.join(f'{part} {value:.0f} s' for part, value in lecture.seconds.items())
    return (
        f'{texts}<ul><li>Seeds: {seeds} for the cells, {config.seed} for everything else.</li>'
        f'<li>Character models: one layer of {config.units} units, embeddings of size '
        f'{config.embedding_size}, {config.steps} steps of {config.batch_size} windows of {config.window} '
        f'characters, Adam with a learning rate from {config.learning_rate:g} along a cosine, gradients clipped '
        'at norm 1 (Pascanu et al. 2013). No dropout. The state is zero at the start of each window, in training '
        'and in evaluation.</li>'
        f'<li>Word models: an LSTM of {config.word_units} units, {config.word_steps} steps of {config.batch_size} '
        f'windows of {config.word_window} words.</li>'
        '<li>Every tenth passage (line, sentence or paragraph) of a text is held out. It comes from the same '
        'documents as the rest, so it is easier to predict than a text by another author.</li>'
        f'<li>Time: {seconds}, on {os.cpu_count()} processor cores.</li><li>Versions: {versions}.</li></ul>'
    )


def figures_data(lecture: Lecture) -> dict[str, Any]:
    """Returns all numbers that the page plots, for the JSON inside the page."""

    def mean(norms: Iterable[np.ndarray]) -> list[float]:
        return [float(f'{value:.4g}') for value in sections.middle(np.concatenate(list(norms)))]

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
