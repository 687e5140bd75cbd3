"""A run that somebody stops says where, leaves nothing, and ends with the status of the signal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# The job with components of toys in place of the real graph, so that it takes seconds.
PROGRAM = """
import os, pathlib, signal, sys, time, types
# Shells let their background jobs, and all children of these, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
import vaiven.pipeline.graph as graph
from tests.pipeline import toy_components
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.pipeline import cli, main_job, stages
from vaiven.pipeline.config import configure
from vaiven.pipeline.paths import RunPaths

root = sys.argv[1]
graph.local_pipeline = lambda config, files, paths: toy_components.toy_pipeline(pathlib.Path())
main_job.fingerprints = lambda config, files: {}

import click
@click.command()
def run():
    return main_job.run_job(configure(), DataFiles((root + '/data.csv',)), RunPaths(root, 'toy'), None)

module = types.ModuleType('toy_command')
module.run = run
sys.modules['toy_command'] = module
cli.COMMANDS['run'] = ('toy_command:run', '')
sys.argv = ['vaiven', 'run']
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ('number', 'mode', 'status'),
    [(signal.SIGINT, 'wait', 130), (signal.SIGTERM, 'wait', 143), (signal.SIGTERM, 'wait and wrap', 143)],
)
def test_a_stopped_run_says_where_and_how_to_resume_it(
    tmp_path: Path, number: signal.Signals, mode: str, status: int
) -> None:
    root, temporary = tmp_path / 'root [1]', tmp_path / 'tmp'
    root.mkdir()
    temporary.mkdir()
    (root / 'data.csv').write_text('text,label\n')
    (root / 'mode').write_text(mode)
    process = subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'TMPDIR': str(temporary), 'PYTHONPATH': os.getcwd()},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if 'waiting for child' in line:
            break
    child = int(line.split()[-1])
    assert len(list(temporary.iterdir())) == 1
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    # Before that line only libraries speak, which this program imports outside of the job.
    assert errors.splitlines()[-1] == 'vaiven: stopped in Copy; the same command resumes there'
    assert 'Traceback' not in errors
    assert process.returncode == status
    assert 'Traceback' not in output
    assert list(temporary.iterdir()) == []
    assert not (root / 'inputs').exists()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
