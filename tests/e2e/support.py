"""Runs the real command as a user does."""

import os
import pathlib
import signal
import subprocess
import sys
import time

VAIVEN = (sys.executable, '-m', 'vaiven.pipeline.cli')
# As small as it gets: what is tested is the way, not the model. The graph for HTML takes half of the tracing's time;
# the README's test runs with it.
TINY = (
    'text.html=false',
    'network.units=8',
    'network.wide_ngrams=0',
    'network.embedding_size=8',
    'network.dropout=0',
    'network.token_dropout=0',
    'network.head_dropout=0',
    'training.epochs=12',
    'training.learning_rate=0.02',
    'training.batch_size=16',
    'training.softmax_candidates=0',
)


def vaiven(*arguments: str | os.PathLike[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VAIVEN, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def run_arguments(data: pathlib.Path, root: pathlib.Path, *settings: str) -> list[str]:
    chosen = [argument for setting in (*TINY, *settings) for argument in ('--set', setting)]
    return ['run', '--data', str(data), '--root', str(root), '--name', 'tiny', *chosen]


def kill_when_it_says(arguments: list[str], word: str) -> str:
    """Kills the command with SIGKILL as soon as it has printed `word`; returns what it had printed."""
    with subprocess.Popen([*VAIVEN, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        printed = ''
        for line in process.stdout:
            printed += line
            if word in line:
                process.send_signal(signal.SIGKILL)
                break
    return printed


def tree(folder: pathlib.Path) -> dict[str, bytes]:
    """All visible files below a folder with their content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and not path.name.startswith('.')
    }


def processes_that_mention(word: str) -> list[str]:
    """Command lines of the running processes, without this one's."""
    found = []
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / 'cmdline').read_bytes().replace(b'\0', b' ').decode('utf-8', 'replace')
            except OSError:
                continue
            if word in line:
                found.append(line)
    return found


def wait_until_none_mentions(word: str, seconds: float = 20) -> list[str]:
    deadline = time.monotonic() + seconds
    while (found := processes_that_mention(word)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
