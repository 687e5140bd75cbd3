"""The doctor's checks, each where something is wrong."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from vaiven.pipeline.commands import doctor
from vaiven.pipeline.doctor import libraries, machine
from vaiven.pipeline.doctor.check import BAD, NOTE, OK, Check


def test_a_port_that_is_taken_is_a_note_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        check = machine.ports((port,))
    assert (check.state, check.found) == (NOTE, f'{port} in use on 127.0.0.1')
    assert '--port' in check.remedy
    assert machine.ports((port,)).state == OK


def test_a_folder_that_is_too_small_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.disk(tmp_path).state in (OK, NOTE)
    monkeypatch.setattr(machine, 'DISK_GB', (1e9, 1e9))
    check = machine.disk(tmp_path)
    assert check.state == BAD
    assert str(tmp_path) in check.remedy


def test_little_memory_is_a_note_and_too_little_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, 'MEMORY_GB', (0.0, 1e9))
    assert machine.memory().state == NOTE
    monkeypatch.setattr(machine, 'MEMORY_GB', (1e9, 1e9))
    assert machine.memory().state == BAD


def test_another_python_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.python().state == OK
    monkeypatch.setattr(machine, 'PYTHON', (3, 99))
    assert machine.python().state == BAD


def test_an_old_glibc_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.system().state == OK
    monkeypatch.setattr(machine, 'GLIBC', (9, 0))
    assert machine.system().state == BAD


def test_a_library_of_another_version_than_locked_is_named(tmp_path: Path) -> None:
    lock = tmp_path / 'lock.txt'
    lock.write_text('click==0.1 \\\n    --hash=sha256:00\nno-such-library==1.0\n')
    check = libraries.lock_file(lock)
    assert check is not None
    assert check.state == NOTE
    assert 'not 0.1; no-such-library is missing, not 1.0' in check.found
    assert libraries.lock_file(tmp_path / 'nothing') is None


def test_a_requirement_that_is_not_met_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    assert libraries.installed().state == OK
    monkeypatch.setattr(
        'importlib.metadata.requires',
        lambda name: ['click<1', 'no-such-library>=2; extra == "pipeline"', 'other-library; extra == "gpu"'],
    )
    check = libraries.installed()
    assert check.state == BAD
    assert check.found.startswith('click is ')
    assert check.found.endswith('no-such-library is missing')
    assert 'make env' in check.remedy


def test_a_tensorflow_that_does_not_start_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        libraries, 'PROBE', 'raise ImportError("libfoo.so.1: cannot open shared object file")'
    )
    (check,) = libraries.TensorFlow().checks()
    assert (check.state, check.found) == (BAD, 'ImportError: libfoo.so.1: cannot open shared object file')


def test_the_doctor_names_failed_checks_with_exit_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Check('Python', OK, '3.11'), Check('memory', BAD, '0.1 GB free', 'end other programs')]
    monkeypatch.setattr(doctor, 'run_checks', lambda folder: found)
    answer = CliRunner().invoke(doctor.doctor, [], standalone_mode=False)
    assert answer.return_value == 1
    assert 'BAD   memory  0.1 GB free' in answer.output
    assert '→ end other programs' in answer.output
    assert answer.output.splitlines()[-1] == '`vaiven run` cannot work on this machine: memory'
    answer = CliRunner().invoke(doctor.doctor, ['--json'], standalone_mode=False)
    assert answer.return_value == 1
    assert json.loads(answer.output)['ok'] is False
