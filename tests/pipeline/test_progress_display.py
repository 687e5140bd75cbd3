import logging
import os
import pty
import subprocess
import sys

from vaiven.pipeline.progress_display import PROGRESS, progress_display

NOISY = """
import ctypes, logging, os, sys
from vaiven.pipeline.progress_display import progress_display
with progress_display(sys.argv[1]) as shown:
    print('python noise')
    print('python error noise', file=sys.stderr)
    os.write(2, b'native noise\\n')
    logging.getLogger('library').warning('logged noise')
    subprocess_noise = os.system('echo child noise')
    logging.getLogger('vaiven.progress').info('epoch %d', 1)
    shown.set_activity('Trainer')
    shown.line('a line')
print('after')
print('error after', file=sys.stderr)
"""


def test_only_lines_and_progress_reach_the_screen_and_all_reaches_the_log(tmp_path):
    log = tmp_path / 'log'
    result = subprocess.run([sys.executable, '-c', NOISY, log], capture_output=True, text=True, check=True)
    assert result.stdout == '        epoch 1\na line\nafter\n'
    assert result.stderr == 'error after\n'
    written = log.read_text()
    for noise in (
        'python noise',
        'python error noise',
        'native noise',
        'logged noise',
        'child noise',
        'epoch 1',
    ):
        assert noise in written


def test_a_terminal_sees_a_living_line_that_is_erased(tmp_path):
    master, slave = pty.openpty()
    environment = {**os.environ, 'TERM': 'xterm'}
    subprocess.run(
        [sys.executable, '-c', NOISY, tmp_path / 'log'],
        stdout=slave,
        stderr=slave,
        check=True,
        env=environment,
    )
    os.close(slave)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert 'Trainer … 0 s' in shown
    assert '\r\x1b[2Ka line' in shown


def test_a_reader_that_went_away_does_not_end_the_work(tmp_path):
    program = NOISY + "\nopen(sys.argv[1] + '.done', 'w').close(); os._exit(0)"
    with subprocess.Popen(
        [sys.executable, '-c', program, tmp_path / 'log'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        process.stdout.close()
    assert 'a line' not in (tmp_path / 'log').read_text()
    assert 'child noise' in (tmp_path / 'log').read_text()


def test_handlers_and_levels_are_as_before_afterwards(tmp_path):
    before = logging.getLogger().handlers[:], logging.getLogger().level, PROGRESS.handlers[:], PROGRESS.level
    with progress_display(str(tmp_path / 'log')):
        pass
    assert before == (
        logging.getLogger().handlers[:],
        logging.getLogger().level,
        PROGRESS.handlers[:],
        PROGRESS.level,
    )
