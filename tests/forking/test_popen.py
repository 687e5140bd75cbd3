"""A forked program is what a started one is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forking.popen import IMPORT, StartingPopen

pytestmark = pytest.mark.slow

PROGRAM = f"""
import json, os, random, sys
{IMPORT}
print(json.dumps([
    os.getppid(), os.getpid() == os.getsid(0), os.getcwd(), sys.argv, os.environ.get('COLOUR'), 'PATH' in os.environ,
    sys.stdin.read(), sorted(os.listdir('/proc/self/fd'))[:3], __name__, int(tf.constant([1, 2]).numpy().sum()),
]))
print('ñ', file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


def _run(folder: Path) -> tuple[int, str, str]:
    result = subprocess.run(
        [sys.executable, '-c', PROGRAM, '7', 'two words'],
        capture_output=True,
        text=True,
        input='typed\n',
        cwd=folder,
        env={'COLOUR': 'red', 'TF_CPP_MIN_LOG_LEVEL': '3'},
        start_new_session=True,
    )
    return result.returncode, result.stdout, result.stderr.splitlines()[-1]


def test_a_forked_program_sees_and_gives_what_a_started_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked = _run(tmp_path)
    monkeypatch.setattr(subprocess, 'Popen', StartingPopen)
    assert forked == _run(tmp_path)
    assert forked[0] == 7
    assert f'[{os.getpid()}, true, "{tmp_path}", ["-c", "7", "two words"], "red", false, "typed' in forked[1]


def test_a_forked_program_gets_signals_and_descriptors_and_does_not_share_random_numbers() -> None:
    reading, writing = os.pipe()
    program = (
        f'import os, random, sys, time{IMPORT}os.write(int(sys.argv[1]), random.randbytes(8)); time.sleep(60)'
    )
    drawn = []
    for _ in range(2):
        with subprocess.Popen([sys.executable, '-c', program, str(writing)], pass_fds=[writing]) as process:
            drawn.append(os.read(reading, 8))
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
        assert process.returncode == -signal.SIGTERM
    assert drawn[0] != drawn[1]
    os.close(reading)
    os.close(writing)


def test_an_error_ends_a_forked_program_as_a_started_one() -> None:
    result = subprocess.run(
        [sys.executable, '-c', f'{IMPORT}raise ValueError("ñ")'], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.endswith('ValueError: ñ\n')
