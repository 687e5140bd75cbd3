"""Pushing: a version appears whole or not at all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vaiven.components.pusher.push import PushError, fingerprint, folder_copier, push, versions

# Runs in a process of its own: pushes the folder argv[1] to argv[2], and prints the version or the error.
PUSH = """
import sys
from pathlib import Path
from vaiven.components.pusher.push import PushError, folder_copier, push
try:
    print(push(folder_copier(Path(sys.argv[1])), Path(sys.argv[2])).version)
except PushError as error:
    print(error)
    sys.exit(error.exit_status)
"""


def model(folder, content='graph', size=10):
    (folder / 'variables').mkdir(parents=True)
    (folder / 'assets.extra').mkdir()
    (folder / 'saved_model.pb').write_text(content)
    (folder / 'variables' / 'data').write_bytes(b'x' * size)
    return folder


def visible(serving):
    return sorted(path.name for path in serving.iterdir() if not path.name.startswith('.'))


def start(source, serving, before=''):
    command = [sys.executable, '-c', before + PUSH, str(source), str(serving)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_versions_count_up_from_one(tmp_path):
    serving = tmp_path / 'serving' / 'reviews'
    for number in (1, 2, 3):
        pushed = push(folder_copier(model(tmp_path / f'm{number}', f'graph {number}')), serving)
        assert (pushed.version, pushed.new) == (number, True)
        assert (Path(pushed.destination) / 'saved_model.pb').read_text() == f'graph {number}'
    assert visible(serving) == ['1', '2', '3']


def test_the_next_number_follows_the_highest_that_is_there(tmp_path):
    for name in ('7', '0012', 'tmp', '9.old', '-3'):
        (tmp_path / 'serving' / name).mkdir(parents=True)
    (tmp_path / 'serving' / '99').write_text('a file is no version')
    assert push(folder_copier(model(tmp_path / 'm')), tmp_path / 'serving').version == 13


def test_the_same_model_is_not_pushed_twice(tmp_path):
    serving = tmp_path / 'serving'
    first = push(folder_copier(model(tmp_path / 'a')), serving)
    push(folder_copier(model(tmp_path / 'b', 'another')), serving)
    again = push(folder_copier(model(tmp_path / 'c')), serving)
    assert (again.version, again.new, again.destination) == (first.version, False, first.destination)
    assert visible(serving) == ['1', '2']


def test_the_fingerprint_knows_names_and_contents_and_nothing_else(tmp_path):
    same = fingerprint(model(tmp_path / 'a'))
    assert fingerprint(model(tmp_path / 'b')) == same
    os.utime(tmp_path / 'b' / 'saved_model.pb', (1, 1))
    assert fingerprint(tmp_path / 'b') == same
    (tmp_path / 'b' / 'variables' / 'data').rename(tmp_path / 'b' / 'variables' / 'other')
    assert fingerprint(tmp_path / 'b') != same


def test_a_full_disk_leaves_the_serving_folder_as_it_was(tmp_path):
    serving = tmp_path / 'serving'
    push(folder_copier(model(tmp_path / 'a')), serving)
    # The kernel refuses to let a file grow, as it does on a full disk.
    full = 'import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);'
    full += 'resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n'
    process = start(model(tmp_path / 'b', 'large', size=100_000), serving, full)
    output = process.communicate()[0]
    assert process.returncode == 1
    assert output.count('\n') == 1
    assert f'was not pushed to {serving}: File too large; its versions are unchanged' in output
    assert visible(serving) == ['1']
    assert not list(serving.glob('.incoming-*'))


def test_a_copy_that_fails_leaves_nothing(tmp_path):
    def fail(folder):
        (folder / 'saved_model.pb').write_text('half')
        raise OSError(28, 'No space left on device')

    with pytest.raises(PushError, match='the disk is full'):
        push(fail, tmp_path)
    assert visible(tmp_path) == []
    assert not list(tmp_path.glob('.incoming-*'))


def test_killed_in_the_middle_it_leaves_nothing_that_a_server_would_load(tmp_path):
    serving = tmp_path / 'serving'
    push(folder_copier(model(tmp_path / 'a')), serving)
    source = model(tmp_path / 'b', 'graph b')
    # The copy stops after the graph, the file that a server looks for.
    before = (
        'import shutil, time\n'
        'copyfile = shutil.copyfile\n'
        'def slow(source, target):\n'
        '    copyfile(source, target)\n'
        '    if source.name == "saved_model.pb":\n'
        '        print("copying", flush=True)\n'
        '        time.sleep(600)\n'
        'shutil.copyfile = slow\n'
    )
    process = start(source, serving, before)
    assert process.stdout.readline() == 'copying\n'
    assert len(list(serving.glob('.incoming-*/saved_model.pb'))) == 1
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert visible(serving) == ['1']
    assert list(versions(serving)) == [1]
    # The next push clears up, and takes the number.
    assert push(folder_copier(source), serving).version == 2
    assert not list(serving.glob('.incoming-*'))


def test_of_racing_pushers_each_gets_a_version_of_its_own(tmp_path):
    serving = tmp_path / 'serving'
    sources = [model(tmp_path / f'm{number}', f'graph {number}', size=3_000_000) for number in range(4)]
    processes = [start(source, serving) for source in sources]
    pushed = sorted(int(process.communicate()[0]) for process in processes)
    assert pushed == [1, 2, 3, 4]
    contents = {(serving / str(number) / 'saved_model.pb').read_text() for number in pushed}
    assert contents == {f'graph {number}' for number in range(4)}
    assert not list(serving.glob('.incoming-*'))


def test_a_number_taken_in_the_last_moment_is_passed_over(tmp_path, monkeypatch):
    rename = Path.rename

    def late(path, target):
        monkeypatch.setattr(Path, 'rename', rename)
        model(Path(target), 'of another machine')
        return rename(path, target)

    monkeypatch.setattr(Path, 'rename', late)
    assert push(folder_copier(model(tmp_path / 'a')), tmp_path / 'serving').version == 2
    assert (tmp_path / 'serving' / '1' / 'saved_model.pb').read_text() == 'of another machine'


def test_no_reader_ever_sees_half_a_version(tmp_path):
    serving = tmp_path / 'serving'
    serving.mkdir()
    process = start(model(tmp_path / 'a', size=30_000_000), serving)
    while process.poll() is None:
        for folder in versions(serving).values():
            assert (folder / 'variables' / 'data').stat().st_size == 30_000_000
        time.sleep(0.002)
    assert process.communicate()[0] == '1\n'
