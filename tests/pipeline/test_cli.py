"""The command line: what is imported, what is printed where, and how a command ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from vaiven.errors import UserError
from vaiven.pipeline import cli

COMMAND = [sys.executable, '-m', 'vaiven.pipeline.cli']


def run(*arguments: str, **options: object) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A subcommand `try` that does what the file says."""
    (tmp_path / 'tried.py').write_text('')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, 'try', ('tried:command', 'Tries.'))
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    return 'try'


def does(monkeypatch: pytest.MonkeyPatch, body: object) -> None:
    """Makes `try` call `body`."""
    import tried  # type: ignore[import-not-found]

    monkeypatch.setattr(tried, 'command', click.command('try')(body), raising=False)


def test_help_names_every_command_and_imports_none() -> None:
    code = (
        'import sys\nfrom vaiven.pipeline import cli\nstatus = cli.run(["--help"])\n'
        'loaded = [n for n in sys.modules if n.startswith(("vaiven.serving", "vaiven.pipeline.commands", "grpc", '
        '"numpy", "tensorflow"))]\nprint(status, loaded)'
    )
    answer = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == '0 []'
    for name in cli.COMMANDS:
        assert f'  {name} ' in answer.stdout


@pytest.mark.parametrize('name', ['predict', 'next', 'score', 'rollout', 'serve', 'doctor'])
def test_the_help_of_these_needs_no_heavy_library_and_shows_an_example(name: str) -> None:
    code = (
        f'import sys\nfrom vaiven.pipeline import cli\nstatus = cli.run([{name!r}, "--help"])\n'
        'print(status, [n for n in ("grpc", "numpy", "tensorflow", "google.protobuf") if n in sys.modules])'
    )
    answer = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == '0 []'
    assert 'Example' in answer.stdout


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['dance'], "there is no command 'dance'; choose one of: run,"),
        (['--loud'], "No such option '--loud'"),
        (['predict', '--loud'], 'see `vaiven predict --help`'),
        (['predict', 'x', '--version', '-1'], '--version'),
    ],
)
def test_a_usage_error_is_one_line_with_exit_status_2(arguments: list[str], said: str) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ''
    assert answer.stderr.startswith('vaiven: ')
    assert answer.stderr.count('\n') == 1
    assert said in answer.stderr


def test_no_command_shows_the_help_and_ends_with_2() -> None:
    answer = run()
    assert (answer.returncode, answer.stdout) == (2, '')
    assert answer.stderr.startswith('Usage: vaiven')


@pytest.mark.parametrize('status', [1, 2, 7])
def test_an_error_with_an_exit_status_is_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    class KnownError(UserError):
        exit_status = status

    def body() -> None:
        raise KnownError('no such column: give --text-column')

    does(monkeypatch, body)
    assert cli.run([command]) == status
    assert capsys.readouterr().err == 'vaiven: no such column: give --text-column\n'


def test_an_unexpected_error_is_one_line_and_its_traceback_a_file(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def body() -> None:
        raise ZeroDivisionError('first line\nsecond line')

    does(monkeypatch, body)
    monkeypatch.delenv('VAIVEN_DEBUG', raising=False)
    assert cli.run([command]) == 1
    said = capsys.readouterr().err
    (written,) = tmp_path.glob('*.traceback')
    assert said == f'vaiven: unexpected ZeroDivisionError: first line (the traceback is in {written})\n'
    assert 'in body' in written.read_text()


def test_debugging_shows_the_traceback(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def body() -> None:
        raise ZeroDivisionError('oh')

    does(monkeypatch, body)
    monkeypatch.setenv('VAIVEN_DEBUG', '1')
    assert cli.run([command]) == 1
    assert 'Traceback' in capsys.readouterr().err
    assert list(tmp_path.glob('*.traceback')) == []


@pytest.mark.parametrize(('answer', 'status'), [(None, 0), (0, 0), (3, 3), (True, 0), ('text', 0)])
def test_an_integer_that_a_command_returns_is_its_status(
    command: str, monkeypatch: pytest.MonkeyPatch, answer: object, status: int
) -> None:
    does(monkeypatch, lambda: answer)
    assert cli.run([command]) == status


@pytest.mark.parametrize(
    ('error', 'status'), [(KeyboardInterrupt, 130), (click.Abort, 130), (cli.Terminated, 143)]
)
def test_an_interrupted_command_says_nothing(
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: type[BaseException],
    status: int,
) -> None:
    def body() -> None:
        raise error

    does(monkeypatch, body)
    assert cli.run([command]) == status
    assert capsys.readouterr().err == ''


def test_a_missing_library_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / 'needs_much.py').write_text('import a_library_that_nobody_has\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, 'run', ('needs_much:run', 'Runs.'))
    assert cli.run(['run']) == 1
    assert capsys.readouterr().err == (
        "vaiven: the Python module 'a_library_that_nobody_has' is not installed: "
        "run make env, or pip install 'vaiven[pipeline]'\n"
    )


def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    process = subprocess.Popen(
        [*COMMAND, 'run', '--help'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert errors == b''
    assert process.returncode == 141


def test_a_terminated_command_leaves_its_context_managers(tmp_path: Path) -> None:
    mark = tmp_path / 'left'
    code = f"""
import contextlib, pathlib, sys, time, click
from vaiven.pipeline import cli

@contextlib.contextmanager
def held():
    try:
        yield
    finally:
        pathlib.Path({str(mark)!r}).write_text('left')

@click.command()
def wait():
    with held():
        print('here', flush=True)
        time.sleep(60)

sys.modules['waiting'] = type(sys)('waiting')
sys.modules['waiting'].wait = wait
cli.COMMANDS['wait'] = ('waiting:wait', '')
sys.argv = ['vaiven', 'wait']
sys.exit(cli.main())
"""
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b'here\n'
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 143
    assert mark.read_text() == 'left'
    process.stdout.close()


def test_a_crash_at_the_interpreters_end_does_not_change_the_status(tmp_path: Path) -> None:
    (tmp_path / 'tensorflow.py').write_text(
        'import atexit, os, signal\natexit.register(os.kill, os.getpid(), 11)\n'
    )
    (tmp_path / 'crashing.py').write_text(
        'import click, tensorflow\n@click.command()\ndef crash():\n    print("done")\n    return 3\n'
    )
    code = (
        'import sys\nfrom vaiven.pipeline import cli\ncli.COMMANDS["crash"] = ("crashing:crash", "")\n'
        'sys.argv = ["vaiven", "crash"]\nsys.exit(cli.main())'
    )
    environment = {**os.environ, 'PYTHONPATH': str(tmp_path)}
    answer = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment)
    assert (answer.returncode, answer.stdout, answer.stderr) == (3, 'done\n', '')


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert run('--version').stdout == f'vaiven {version("vaiven")}\n'


@pytest.mark.parametrize('arguments', [('-m', 'vaiven', '-V'), ('-m', 'vaiven', '--version')])
def test_the_package_runs_as_a_module_and_knows_its_version(arguments: tuple[str, ...]) -> None:
    from importlib.metadata import version

    import vaiven

    answer = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    assert answer.stdout == f'vaiven {version("vaiven")}\n'
    assert vaiven.__version__ == version('vaiven')
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vaiven.nothing  # noqa: B018


@pytest.mark.parametrize(
    ('arguments', 'names'),
    [
        (['compile', '--output', 'vaiven.yaml'], '--image, --data, --root'),
        (['compile', '--data', 'gs://b/x.csv'], '--image, --root'),
        (['compile', '--data=gs://b/x.csv', '--image', 'x'], "'--root'"),
    ],
)
def test_all_missing_options_are_named_at_once(arguments: list[str], names: str) -> None:
    answer = run('kubeflow', *arguments)
    assert answer.returncode == 2
    assert names in answer.stderr
    assert 'see `vaiven kubeflow compile --help`' in answer.stderr
    assert answer.stderr.count('\n') == 1


def test_missing_arguments_are_named_beside_missing_options(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.argument('file')
    @click.option('--keep', required=True)
    @click.option('--level', required=True, envvar='TRY_LEVEL')
    def body(file: str, keep: str, level: str) -> None: ...

    does(monkeypatch, body)
    assert cli.run([command]) == 2
    assert 'Missing: FILE, --keep, --level.' in capsys.readouterr().err
    monkeypatch.setenv('TRY_LEVEL', '3')
    assert cli.run([command, 'x']) == 2
    assert "'--keep'" in capsys.readouterr().err


@pytest.mark.parametrize('shell', ['bash', 'zsh', 'fish'])
def test_a_shell_gets_a_script_for_completion(shell: str) -> None:
    answer = run(env={**os.environ, '_VAIVEN_COMPLETE': f'{shell}_source'})
    assert '_VAIVEN_COMPLETE=' + shell + '_complete' in answer.stdout


@pytest.mark.parametrize(
    ('words', 'index', 'completions'),
    [
        ('vaiven pre', 1, ['predict']),
        ('vaiven rollout pro', 2, ['promote']),
        ('vaiven serve --bac', 2, ['--background']),
    ],
)
def test_commands_and_options_are_completed(words: str, index: int, completions: list[str]) -> None:
    environment = {'_VAIVEN_COMPLETE': 'bash_complete', 'COMP_WORDS': words, 'COMP_CWORD': str(index)}
    answer = run(env={**os.environ, **environment})
    assert [line.split(',')[1] for line in answer.stdout.splitlines()] == completions


def test_the_doctor_says_that_this_machine_can_run_the_pipeline(tmp_path: Path) -> None:
    answer = run('doctor', '--json', cwd=tmp_path)
    found = json.loads(answer.stdout)
    states = {check['name']: check['state'] for check in found['checks']}
    assert states['Python'] == states['libraries'] == states['TensorFlow'] == 'ok'
    assert (found['ok'], answer.returncode, answer.stderr) == (True, 0, '')
