"""Every command obeys the terminal: its width, NO_COLOR and TERM=dumb; and every help page has an example."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from vaiven.pipeline import cli

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, '-m', 'vaiven']


def commands() -> list[tuple[str, ...]]:
    """The words of every command and subcommand."""
    found: list[tuple[str, ...]] = []
    with click.Context(cli.vaiven) as context:
        for name in cli.COMMANDS:
            command = cli.vaiven.get_command(context, name)
            found.append((name,))
            if isinstance(command, click.Group):
                found += [(name, each) for each in command.commands]
    return found


COMMANDS = commands()


def in_terminal(*arguments: str, cwd: Path, columns: int = 80, **environment: str) -> str:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=child, stdout=child, stderr=child, cwd=cwd,
        env={**os.environ, 'TERM': 'xterm', 'COLUMNS': str(columns), **environment},
    )  # fmt: skip
    os.close(child)
    shown = b''
    try:
        while part := os.read(parent, 65536):
            shown += part
    except OSError:
        pass  # the other side is closed
    process.wait(60)
    os.close(parent)
    return shown.decode()


@pytest.mark.parametrize('words', COMMANDS, ids=' '.join)
def test_help_fits_into_eighty_columns_and_shows_an_example(words: tuple[str, ...]) -> None:
    with click.Context(cli.vaiven, info_name='vaiven') as context:
        command: click.Command | None = cli.vaiven
        for word in words:
            assert isinstance(command, click.Group)
            command = command.get_command(context, word)
            assert command is not None
            context = command.context_class(command, info_name=word, parent=context, terminal_width=80)
        page = command.get_help(context)
    assert [line for line in page.splitlines() if len(line) > 80] == []
    assert 'Example' in page


def test_the_help_of_the_command_itself_fits_too(tmp_path: Path) -> None:
    lines = in_terminal('--help', cwd=tmp_path).splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize('environment', [{'NO_COLOR': '1'}, {'TERM': 'dumb'}], ids=['NO_COLOR', 'TERM=dumb'])
def test_the_doctor_obeys_a_terminal_without_colours(tmp_path: Path, environment: dict[str, str]) -> None:
    assert '\x1b[' not in in_terminal('doctor', cwd=tmp_path, **environment)


def test_the_doctor_has_colours_in_a_terminal_and_breaks_lines_between_words(tmp_path: Path) -> None:
    shown = in_terminal('doctor', cwd=tmp_path, columns=60)
    assert '\x1b[32m' in shown
    for line in re.sub('\x1b\\[[0-9;]*m', '', shown).splitlines():
        assert len(line) <= 60 or '/' in line  # a path stays whole


def test_a_pipe_gets_colours_only_where_they_are_forced(tmp_path: Path) -> None:
    def doctor(**environment: str) -> str:
        return subprocess.run(
            [*COMMAND, 'doctor'],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **environment},
        ).stdout

    assert '\x1b[' not in doctor()
    assert '\x1b[32m' in doctor(FORCE_COLOR='1')


def test_a_long_error_is_broken_between_words(tmp_path: Path) -> None:
    shown = in_terminal('predict', '--file', 'no-such-file', '--from', 'no-such-form', 'x', cwd=tmp_path)
    assert shown.startswith('vaiven: ')
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert ' '.join(shown.split()).endswith('--help`)')
