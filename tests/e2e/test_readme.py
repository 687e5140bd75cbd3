"""Every block of README.md that a user would run, in order, in a fresh folder."""

import csv
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from vaiven.components.text_example_gen.default_data import default_data

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ('git', 'make', '.venv/bin/vaiven', 'curl', 'grpcurl', 'cat')
SECONDS = 1200
# Smaller than by default: what is tested is that the commands work, not how good the model is.
RUN = '--set training.epochs=2 --set network.units=64'
# These judge a model: they work as well where they refuse one.
JUDGES = {'rollout compare': {1, 3}, 'rollout auto': {1}}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 60)]


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        line: where it starts, from 1.
        kind: shell, python, or neither: something to look at.
        text: without the indentation.
    """

    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f'line-{self.line}-{" ".join(self.text.split()[:3])}'


def blocks() -> list[Block]:
    """The blocks of README.md: fenced ones, and indented ones after an empty line."""
    found: list[Block] = []
    lines = (ROOT / 'README.md').read_text(encoding='utf-8').splitlines()
    number = 0
    while number < len(lines):
        first = number
        if lines[number].startswith('```'):
            kind = lines[number].removeprefix('```') or 'drawing'
            end = lines.index('```', number + 1)
            found.append(Block(first + 1, kind, '\n'.join(lines[first + 1 : end])))
            number = end + 1
        elif lines[number].startswith('    ') and not lines[number - 1]:
            while number < len(lines) and (lines[number].startswith('    ') or not lines[number]):
                number += 1
            text = '\n'.join(line[4:] for line in lines[first:number]).rstrip()
            found.append(Block(first + 1, 'shell' if text.startswith(PROGRAMS) else 'output', text))
        else:
            number += 1
    return found


BLOCKS = blocks()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) != 0


def _reviews(path: Path, every: int = 7) -> None:
    """Reviews with one to five stars, out of the ratings of film reviews."""
    with open(default_data(), encoding='utf-8') as file, path.open('w', encoding='utf-8', newline='') as out:
        written = csv.writer(out)
        written.writerow(['body', 'stars'])
        for row in list(csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE))[::every]:
            stars = min(5, max(1, round(3 + 3 * float(row['rating']))))
            written.writerow([row['text'], stars])


def _book(sentences: int = 2500) -> str:
    """About 300,000 characters of real sentences: a pattern would be learned by heart, not as language."""
    with open(default_data(), encoding='utf-8') as file:
        rows = csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE)
        texts = [row['text'] for row, _ in zip(rows, range(sentences), strict=False)]
    paragraphs = (' '.join(texts[start : start + 5]) for start in range(0, sentences, 5))
    return '\n'.join(f'En un lugar de la Mancha. {paragraph}' for paragraph in paragraphs)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory, default_ports: None) -> Iterator[Path]:
    """A fresh folder for `git clone`; what is left running in it is stopped at the end."""
    if not (_is_free(8500) and _is_free(8501)):
        pytest.skip('README.md uses the ports 8500 and 8501, and something listens there')
    made = tmp_path_factory.mktemp('readme')
    tools = made / 'tools'
    tools.mkdir()
    # The environment is there: making it takes minutes and is tested elsewhere. All tests inside a test would not end.
    real = shutil.which('make')
    (tools / 'make').write_text(
        f'#!/bin/sh\ncase "$*" in test|quick) exec {real} -n -o env "$@" >/dev/null;; esac\nexec {real} -o env "$@"\n'
    )
    (tools / 'make').chmod(stat.S_IRWXU)
    yield made
    _run(made / 'vaiven', '.venv/bin/vaiven serve --stop || true', made)


def _run(folder: Path, script: str, home: Path) -> tuple[str, list[str]]:
    """Runs a script of bash; what it printed, and the commands that failed, with their statuses."""
    failures = home / 'failures'
    failures.write_text('')
    trapped = f'trap \'echo "$? $BASH_COMMAND" >> {failures}\' ERR\n{script}\n'
    environment = {
        **os.environ,
        'PATH': f'{home}/tools:{os.environ["PATH"]}',
        'RUN': RUN,
        'XDG_STATE_HOME': str(home / 'state'),
    }
    environment.pop('VAIVEN_SERVER', None)
    with (home / 'printed').open(
        'w+'
    ) as printed:  # not a pipe, which a server in the background could hold open
        subprocess.run(
            ['bash', '-c', trapped], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=printed, stderr=subprocess.STDOUT, timeout=SECONDS,
        )  # fmt: skip
        printed.seek(0)
        return printed.read(), failures.read_text().splitlines()


def _clone(home: Path) -> None:
    """What `git clone` brings, as it is in this working tree."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split('\0')):
        if (ROOT / name).is_file():
            (home / 'vaiven' / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, home / 'vaiven' / name)
    (home / 'vaiven' / '.venv').mkdir()
    for name in ('bin', 'lib', 'pyvenv.cfg'):
        (home / 'vaiven' / '.venv' / name).symlink_to(Path(sys.prefix) / name)
    _reviews(home / 'vaiven' / 'reviews.csv')
    (home / 'vaiven' / 'book.txt').write_text(_book(), encoding='utf-8')


def test_the_readme_holds_blocks_of_every_kind_and_names_each_program_once_known() -> None:
    kinds = {block.kind for block in BLOCKS}
    assert kinds == {'shell', 'python', 'output', 'drawing'}
    # What starts like a command is one that this test knows how to run.
    outputs = [block for block in BLOCKS if block.kind == 'output']
    assert [block.text.split(':')[0] for block in outputs] == ['10,605 rows']


@pytest.mark.parametrize('block', [each for each in BLOCKS if each.kind in ('shell', 'python')], ids=str)
def test_a_block_does_what_the_text_says(block: Block, folder: Path) -> None:
    if block.text.startswith('git clone'):
        _clone(folder)
    script = block.text.replace('git clone … && cd vaiven', '')
    if (program := script.split()[0]) == 'grpcurl' and shutil.which(program) is None:
        pytest.skip('grpcurl is not installed')
    if block.kind == 'python':
        (folder / 'block.py').write_text(block.text, encoding='utf-8')
        script = f'.venv/bin/python {folder}/block.py'
    printed, failures = _run(folder / 'vaiven', script, folder)
    unexpected = [
        failure
        for failure in failures
        if not any(
            words in failure and int(failure.split()[0]) in statuses for words, statuses in JUDGES.items()
        )
    ]
    assert unexpected == [], printed
    assert 'Traceback' not in printed
    for pattern in EXPECTED.get(_key(block), ()):
        assert re.search(pattern, printed, re.MULTILINE), printed


def _key(block: Block) -> str:
    return next((key for key in EXPECTED if key in block.text), '')


# By something that the block says: what must be printed.
EXPECTED = {
    'make run': (r'version 1 pushed: vaiven-runs/reviews/serving/reviews/1', r'^ +positive +\d+\.\d%'),
    '--name shop': (r'version 1 pushed: vaiven-runs/shop',),
    '--preset novel': (
        r'version 1 pushed: vaiven-runs/novel',
        r'using version 1 .* in this process',
        r'^En un lugar',
    ),
    'serve --background': (
        r'^serving reviews: gRPC 127.0.0.1:8500',
        r'^positive\t0\.\d+\tA moving story$',
        r'^negative\t0\.\d+\tTedious',
        r'^this is one of the\t',
    ),
    'Client(': (r'^positive 0\.\d+ ',),
    'curl': (r'"predictions": \[', r'"AVAILABLE"'),
    'vaiven evaluate': (
        r'rows, split test of the run of version 1',
        r'^version 1 of model reviews .*: [\d,]+ rows of held-out.csv$',
        r'^accuracy +\d\d\.\d % ',
        r'^confusion matrix',
    ),
    'rollout status': (r'version 2 pushed', r'stable', r'canary', r'rolled back|version 1 is stable'),
    'rollout auto': (r'.',),
    'kubeflow compile': (r'wrote vaiven.yaml',),
}
