"""The temporary folder of a run."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vaiven.pipeline import temporary_folder as module
from vaiven.pipeline.temporary_folder import TemporaryFolderError, temporary_folder

HOLD = """
import sys, tempfile
from vaiven.pipeline.temporary_folder import temporary_folder
with temporary_folder() as folder:
    tempfile.NamedTemporaryFile(delete=False).close()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr(tempfile, 'tempdir', None)
    return tmp_path


def hold(parent: Path) -> 'tuple[subprocess.Popen[str], Path]':
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'TMPDIR': str(parent)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_temporary_files_of_a_process_and_its_children_lie_in_one_folder_that_is_removed(parent):
    with temporary_folder() as folder:
        assert Path(tempfile.mkdtemp()).parent == Path(folder)
        code = 'import tempfile; print(tempfile.mkdtemp())'
        child = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
        assert Path(child.stdout.strip()).parent == Path(folder)
        assert [entry.name for entry in parent.iterdir()] == [os.path.basename(folder)]
    assert list(parent.iterdir()) == []
    assert tempfile.gettempdir() == os.environ['TMPDIR'] == str(parent)


def test_the_folder_is_removed_when_the_run_fails(parent):
    with pytest.raises(ZeroDivisionError), temporary_folder():
        raise ZeroDivisionError
    assert list(parent.iterdir()) == []


def test_the_next_run_removes_only_the_folder_of_a_killed_run(parent):
    killed, left = hold(parent)
    working, used = hold(parent)
    (parent / 'vaiven-run-of-another-program').mkdir()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.exists()
    with temporary_folder():
        assert not left.exists()
        assert used.exists()
    working.communicate('')
    assert [entry.name for entry in parent.iterdir()] == ['vaiven-run-of-another-program']


def test_a_full_disk_is_reported_in_one_line(parent, monkeypatch):
    usage = type('Usage', (), {'free': 1000})
    monkeypatch.setattr(module.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(TemporaryFolderError, match=f'no space .* the disk of {parent} is full') as raised:
        temporary_folder().__enter__()
    assert '\n' not in str(raised.value)
    assert raised.value.exit_status == 1


def test_a_folder_that_cannot_be_written_is_reported_with_the_remedy(parent, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, 'Read-only file system')

    monkeypatch.setattr(module.tempfile, 'mkdtemp', refuse)
    with pytest.raises(TemporaryFolderError, match='Read-only file system; set TMPDIR'):
        temporary_folder().__enter__()
