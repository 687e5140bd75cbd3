"""A model teaches another one: the file that `vaiven predict` writes is given to `vaiven run --teacher`."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.e2e.corpus import write_csv
from tests.e2e.support import run_arguments, vaiven

pytestmark = pytest.mark.slow

SUBJECTS, ADJECTIVES = ('plot', 'actor', 'scene', 'song', 'costume'), ('wonderful', 'superb', 'dull', 'awful')


def components(output: str) -> dict[str, str]:
    """Name of a component → whether it ran or came from the cache."""
    rows = [line.split() for line in output.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) > 2 and row[2] in ('run', 'cached')}


def test_a_pushed_model_teaches_the_next_one(tmp_path: Path) -> None:
    data, root = write_csv(tmp_path / 'a.csv'), tmp_path / 'runs'
    arguments = [*run_arguments(data, root, 'training.epochs=4', 'network.wide_ngrams=2000'), '--no-serve']
    assert vaiven(*arguments).returncode == 0
    texts, scored = tmp_path / 'more.txt', tmp_path / 'scored.jsonl'
    lines = [f'the {subject} was really {word}' for subject in SUBJECTS for word in ADJECTIVES]
    texts.write_text('\n'.join([*lines, lines[0].upper(), 'the film is wonderful']), encoding='utf-8')
    model = root / 'serving' / 'tiny'
    predicted = vaiven('predict', '--server', f'saved-model:{model}', '--file', texts, '--out', scored)
    assert predicted.returncode == 0, predicted.stderr

    taught = vaiven(*arguments, '--teacher', scored)
    assert taught.returncode == 0, taught.stdout + taught.stderr
    [line, again] = [line for line in taught.stdout.splitlines() if 'teacher: 22 rows; dropped: ' in line]
    assert '1 duplicates' in line
    assert line.strip() in again
    assert set(components(taught.stdout).values()) == {'run'}
    extra = json.loads((model / '2' / 'assets.extra' / 'vaiven.json').read_text('utf-8'))
    digest = hashlib.sha256(scored.read_bytes()).hexdigest()
    assert extra['teacher_files'] == [{'file': 'scored.jsonl', 'sha256': digest}]

    plan = vaiven('plan', *arguments[1:-1], '--teacher', scored)
    assert f'teacher     {scored}' in plan.stdout
    assert line in plan.stdout
    assert not re.search(r'Trainer +run ', plan.stdout)
    scored.write_text(scored.read_text('utf-8').replace('really', 'quite'), encoding='utf-8')
    changed = vaiven('plan', *arguments[1:-1], '--teacher', scored)
    assert re.search(r'Trainer +run ', changed.stdout)
