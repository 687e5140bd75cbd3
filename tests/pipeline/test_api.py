"""The Python API reports invalid arguments before a run, and the errors of a run as exceptions.

`tests/e2e/test_main_job.py` runs it on data.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import vaiven.pipeline
from vaiven.configuration import ConfigError
from vaiven.errors import UserError
from vaiven.pipeline import TrainingError, api, train
from vaiven.pipeline.run_lock import run_lock


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / 'reviews.csv'
    rows = (f'text number {number},{number % 2}' for number in range(100))
    path.write_text('\n'.join(['text,label', *rows]))
    return path


def test_the_package_has_the_api_and_imports_it_only_when_it_is_used() -> None:
    code = (
        'import sys, vaiven.pipeline\n'
        'print([name for name in sys.modules if name.startswith("vaiven.pipeline.")])\n'
        'vaiven.pipeline.train\n'
        'print([name for name in ("tensorflow", "tfx", "apache_beam") if name in sys.modules])'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert result.stdout == '[]\n[]\n'
    assert all(hasattr(vaiven.pipeline, name) for name in vaiven.pipeline.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vaiven.pipeline.nothing  # noqa: B018


def test_an_invalid_setting_is_reported_before_the_run(data: Path) -> None:
    with pytest.raises(ConfigError, match=r'training\.epochs must be at least 1\. Received: 0'):
        train(data, settings={'training.epochs': 0})
    with pytest.raises(ConfigError, match=r"there is no setting 'training\.epoch'"):
        train(data, settings={'training.epoch': 1})


def test_an_invalid_file_is_reported_before_the_run(data: Path) -> None:
    with pytest.raises(UserError, match="no column is named 'body'"):
        train(data, settings={'data.text_column': 'body'})
    with pytest.raises(UserError, match=r'nothing\.csv'):
        train([data, data.with_name('nothing.csv')])


def test_invalid_vectors_are_reported_before_the_run(data: Path) -> None:
    vectors = data.with_name('vectors.txt')
    vectors.write_text('')
    with pytest.raises(UserError, match=r'vectors\.txt: is empty'):
        train(data, vectors=vectors)


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        ('gru', 'gru'),
        (3, '3'),
        (0.5, '0.5'),
        (True, 'true'),
        (None, 'null'),
        ((4, 5), '4,5'),
        ([-1.0, 1.0], '-1.0,1.0'),
        (['a,b', 'c'], '["a,b", "c"]'),
    ],
)
def test_a_python_value_is_a_setting(value: object, text: str) -> None:
    assert api._setting_text(value) == text


def test_an_error_of_the_run_has_its_message_and_exit_status(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / 'runs'
    root.mkdir()
    with run_lock(str(root)), pytest.raises(TrainingError, match=r'another run .* is in progress') as raised:
        train(str(data), root=root)
    assert raised.value.exit_status == 1
    assert capfd.readouterr() == ('', '')


def test_progress_is_printed_if_it_is_requested(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / 'runs'
    root.mkdir()
    with run_lock(str(root)), pytest.raises(TrainingError):
        train(data, root=root, progress=True)
    assert capsys.readouterr().out.startswith('100 rows: train ')


def test_a_process_that_ends_unexpectedly_is_an_error_with_its_last_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / 'python'
    program.write_text('#!/bin/sh\necho "no memory" >&2\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(program))
    with pytest.raises(TrainingError, match='the training process ended with exit status 3: no memory'):
        train(data, root=tmp_path / 'runs')
