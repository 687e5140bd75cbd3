"""The commands of docs/labels.md print what the page shows."""

import csv
import re
import shlex
from pathlib import Path

import pytest

from vaiven.pipeline import cli

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'labels.md'
# A command of the page, and the line below it.
SHOWN = re.findall(
    r'^ {4}(vaiven plan (?:.*\\\n)*.*)\n\n {4}(.*)$', PAGE.read_text(encoding='utf-8'), re.MULTILINE
)


def rows_of(label, count):
    return [{'label': label, 'teacher': '{"spam": 0.25, "ham": 0.75}'} for _ in range(count)]


FILES = {
    'mail.csv': [*rows_of('spam', 80), *rows_of('ham', 40)],
    'films.csv': [*rows_of('pos', 60), *rows_of('Negativo', 60)],
    'stars.csv': [{'stars': str(star)} for star in range(1, 6) for _ in range(30)],
    'tickets.csv': [
        *rows_of('billing', 60), *rows_of('envíos 📦', 40), *rows_of('חשבון', 30), *rows_of('', 20),
    ],
    'numbers.csv': [row for number in range(3) for row in rows_of(str(number), 40)],
    'urgency.csv': [row for label in ('low', 'medium', 'high') for row in rows_of(label, 40)],
    'topics.csv': [
        *rows_of('news|sport', 40), *rows_of('["música", "news"]', 20), *rows_of('sport', 20),
        *rows_of("['música', 'news']", 20), *rows_of('[]', 20),
    ],
    'teacher.csv': [*rows_of('spam', 60), *rows_of('ham', 60)],
    'split.csv': [
        {'label': 'pos' if number % 2 else 'neg', 'part': part}
        for part, size in (('train', 80), ('dev', 20), ('test', 20))
        for number in range(size)
    ],
    'dated.csv': [
        {'label': 'pos' if day % 2 else 'neg', 'date': f'2026-{1 + day // 28:02}-{1 + day % 28:02}'}
        for day in range(120)
    ],
}  # fmt: skip


@pytest.mark.parametrize(('command', 'line'), SHOWN, ids=[command.split()[3] for command, _ in SHOWN])
def test_a_command_of_the_page_prints_the_line_below_it(tmp_path, monkeypatch, capsys, command, line):
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command.replace('\\\n', ' '))[1:]
    [name] = [argument for argument in arguments if argument in FILES]
    rows = [{'text': f'text {number} of {name}', **row} for number, row in enumerate(FILES[name])]
    with (tmp_path / name).open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    status = cli.run(arguments)
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert line in captured.out.splitlines()


def test_every_file_of_the_page_is_used():
    assert {command.split()[3] for command, _ in SHOWN} == set(FILES)
