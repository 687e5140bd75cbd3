"""Colours where they are wanted, and lines that fit."""

import io
import os
import pty
from collections.abc import Iterator
from typing import TextIO

import pytest

from vaiven.serving.common import terminal

VARIABLES = ('NO_COLOR', 'FORCE_COLOR', 'CLICOLOR_FORCE', 'CLICOLOR', 'TERM', 'COLUMNS')


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """A terminal with 40 columns."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('COLUMNS', '40')
    parent, child = pty.openpty()
    with os.fdopen(child, 'w') as stream:
        yield stream
    os.close(parent)


@pytest.mark.parametrize(
    ('environment', 'choice'),
    [
        ({}, None),
        ({'TERM': 'xterm', 'NO_COLOR': ''}, None),
        ({'NO_COLOR': '1'}, False),
        ({'NO_COLOR': '1', 'FORCE_COLOR': '1'}, False),
        ({'FORCE_COLOR': '1', 'TERM': 'dumb'}, True),
        ({'FORCE_COLOR': '0'}, None),
        ({'CLICOLOR_FORCE': '1'}, True),
        ({'CLICOLOR': '0'}, False),
        ({'TERM': 'dumb'}, False),
    ],
)
def test_the_environment_says_whether_there_are_colours(
    environment: dict[str, str], choice: bool | None
) -> None:
    assert terminal.colour_choice(environment) is choice


def test_a_terminal_has_colours_and_a_pipe_has_none(screen: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal.coloured(screen)
    assert not terminal.coloured(io.StringIO())
    monkeypatch.setenv('FORCE_COLOR', '1')
    assert terminal.coloured(io.StringIO())


def test_a_line_is_broken_between_words_where_the_terminal_ends(screen: TextIO) -> None:
    line = '  ' + ' '.join(['word'] * 20)
    parts = terminal.folded(line, screen, '    ').split('\n')
    assert max(map(len, parts)) <= 40
    assert parts[0].startswith('  word')
    assert all(part.startswith('    word') for part in parts[1:])
    assert ' '.join(' '.join(parts).split()) == line.strip()
    assert terminal.folded(line, io.StringIO()) == line
    path = '/' + 'folder/' * 20
    assert path in terminal.folded(f'see {path}', screen)  # whole, so that it can be copied


@pytest.mark.parametrize(
    ('text', 'room', 'shown'),
    [
        ('año malo', 8, 'año malo'),
        ('año malo', 7, 'año ma…'),
        ('漢字漢字', 8, '漢字漢字'),
        ('漢字漢字', 7, '漢字漢…'),
        ('e\u0301e\u0301e\u0301', 3, 'e\u0301e\u0301e\u0301'),
        ('😀😀', 3, '😀…'),
        ('ab', 1, '…'),
    ],
)
def test_a_text_is_cut_to_columns_not_to_characters(text: str, room: int, shown: str) -> None:
    assert terminal.cut(text, room) == shown
    assert terminal.columns(shown) <= room


@pytest.mark.parametrize(
    ('text', 'columns'),
    [
        ('ñ', 1),
        ('n\u0303', 1),
        ('नमस्ते', 4),
        ('ดีมาก', 4),
        ('👍\U0001f3fd', 2),
        ('❤\ufe0f', 2),
        ('\u2068שלום\u2069', 4),
    ],
)
def test_vowel_signs_format_characters_and_skin_tones_take_no_column(text: str, columns: int) -> None:
    assert terminal.columns(text) == columns


def test_only_right_to_left_text_is_isolated() -> None:
    assert terminal.isolated('año 😀') == 'año 😀'
    assert terminal.isolated('שלום') == '\u2068שלום\u2069'
    assert terminal.isolated('a شكوى') == '\u2068a شكوى\u2069'
