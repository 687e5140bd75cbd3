"""Output for terminals: colours, and lines that are folded at the width of the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping
from typing import TextIO

import click

INDENT = '  '
MIN_WIDTH = 20
_EMOJI_SELECTOR = '\ufe0f'
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_NO_WIDTH = ('Mn', 'Me', 'Cf')
_RIGHT_TO_LEFT = ('R', 'AL')
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = '\u2068', '\u2069'


def colour_choice(environment: Mapping[str, str] | None = None) -> bool | None:
    """Whether the environment wants colours; None leaves it to the stream: a terminal has them, a pipe has none.

    NO_COLOR (https://no-color.org) is above all others. FORCE_COLOR and CLICOLOR_FORCE ask for colours in a pipe, too.
    Terminals that know no colours say TERM=dumb. CLICOLOR=0 wants none.
    """
    given = os.environ if environment is None else environment
    if given.get('NO_COLOR'):
        return False
    if any(given.get(name, '0') not in ('', '0') for name in ('FORCE_COLOR', 'CLICOLOR_FORCE')):
        return True
    if given.get('TERM') == 'dumb' or given.get('CLICOLOR') == '0':
        return False
    return None


def coloured(stream: TextIO) -> bool:
    """Whether to write colours to `stream`."""
    choice = colour_choice()
    return stream.isatty() if choice is None else choice


def width() -> int:
    """Columns of the terminal; COLUMNS counts where it is set."""
    return max(MIN_WIDTH, shutil.get_terminal_size().columns)


def folded(line: str, stream: TextIO, indent: str = INDENT) -> str:
    """`line` broken between words where the terminal would break it anywhere; in a pipe as it is.

    Args:
        line: without control sequences.
        stream: where it is written to.
        indent: of the lines after the first.
    """
    if not stream.isatty() or columns(line) <= width():
        return line
    first_indent = line[: len(line) - len(line.lstrip())]
    parts = textwrap.wrap(
        line.lstrip(),
        width(),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        initial_indent=first_indent,
    )
    return '\n'.join(parts)


def say(line: str, *, err: bool = False) -> None:
    """Prints a line for people, folded where a terminal is too narrow for it; on standard error if `err`."""
    click.echo(folded(line, sys.stderr if err else sys.stdout), err=err)


def columns(text: str) -> int:
    """How many columns `text` takes.

    Chinese, Japanese, Korean and emoji take two each. Accents, vowel signs, format characters and the skin tone of an
    emoji take none.
    """
    if text.isascii():
        return len(text)
    return sum(map(_character_columns, text))


def _character_columns(character: str) -> int:
    # The emoji selector U+FE0F makes the symbol before it wide: it counts as the second column.
    if character == _EMOJI_SELECTOR:
        return 1
    if character in _SKIN_TONES or unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in 'WF' else 1


def cut(text: str, room: int) -> str:
    """`text`, or as much of it as takes `room` columns with an ellipsis at its end."""
    if columns(text) <= room:
        return text
    taken, kept = 1, []
    for each in text:
        taken += columns(each)
        if taken > room:
            break
        kept.append(each)
    return ''.join(kept) + '…'


def isolated(text: str) -> str:
    """`text` such that right-to-left letters in it do not reorder the columns after it (Unicode Standard Annex 9)."""
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in text):
        return f'{_FIRST_STRONG_ISOLATE}{text}{_POP_ISOLATE}'
    return text
