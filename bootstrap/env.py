"""Makes `.venv/`: Python 3.11 with every library of `requirements/lock.txt`, and vaiven itself, editable.

Run by `make env` with whatever Python 3 (3.9 or newer) there is; needs nothing but the standard library. When
nothing has changed since the last time it ends in a fraction of a second. A half-made environment is never
taken for a whole one: the stamp is removed first and written last. What was downloaded stays in uv's cache,
so a run that was interrupted goes on from there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from glibc import MIN_GLIBC, glibc_version, install_private_glibc
from interpreter import debian_include, find_python311
from machine import check_compiler, check_machine
from missing import Missing
from tools import Tools

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
LOCK = ROOT / 'requirements' / 'lock.txt'
STAMP = VENV / '.complete'
FOLDERS = ('pipeline', 'components', 'models', 'serving')


def fingerprint() -> str:
    """What the environment is made from: first what decides the interpreter, then what decides the libraries."""
    interpreter = digest(
        [str(ROOT).encode(), *(path.read_bytes() for path in sorted((ROOT / 'bootstrap').glob('*.py')))]
    )
    modules = [
        path.name.encode() for path in sorted((ROOT / 'package').glob('*.py'))
    ]  # linked for type checkers
    libraries = digest(
        [*(path.read_bytes() for path in (LOCK, ROOT / 'setup.py', ROOT / 'pyproject.toml')), *modules]
    )
    return f'{interpreter} {libraries}'


def digest(parts: list[bytes]) -> str:
    return hashlib.sha256(b'\0'.join(parts)).hexdigest()


def say(text: str) -> None:
    print(f'env: {text}', flush=True)


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)


def stamp() -> str:
    """The fingerprint of the environment as it was finished; empty where it was not, or does not start."""
    if not STAMP.exists():
        return ''
    try:
        probe = subprocess.run([str(VENV / 'bin' / 'python'), '-c', 'import venv'], capture_output=True)
    except OSError:
        return ''
    return '' if probe.returncode else STAMP.read_text()


def make() -> None:
    same_interpreter = stamp().split(' ')[0] == fingerprint().split(' ')[0]
    STAMP.unlink(missing_ok=True)
    check_machine(VENV)
    tools = Tools(VENV / 'tools', say)
    python = find_python311(VENV, tools, say)
    check_compiler(python)
    uv = tools.uv()
    interpreter = VENV / 'bin' / 'python'
    if not same_interpreter:
        make_interpreter(python, interpreter, tools)
    say('installing the libraries (3 GB; minutes the first time, under one from a warm cache)')
    os.environ.setdefault('UV_LINK_MODE', 'hardlink')
    os.environ.setdefault('UV_HTTP_TIMEOUT', '180')
    include = debian_include(python)
    if include:
        os.environ['CPATH'] = os.pathsep.join(filter(None, [str(include), os.environ.get('CPATH')]))
    options = ('--python', interpreter, '--quiet')
    run(uv, 'pip', 'sync', *options, '--compile-bytecode', '--require-hashes', LOCK)
    run(uv, 'pip', 'install', *options, '--no-deps', '--no-build-isolation', '-e', ROOT)
    link_for_type_checkers()
    STAMP.write_text(fingerprint())


def make_interpreter(python: pathlib.Path, interpreter: pathlib.Path, tools: Tools) -> None:
    """A copied interpreter with no libraries, on a C library that is new enough."""
    say(f'Python from {python}')
    for name in ('lib', 'bin'):
        shutil.rmtree(VENV / name, ignore_errors=True)
    run(python, '-m', 'venv', '--copies', '--without-pip', VENV)
    if glibc_version(interpreter) < MIN_GLIBC:
        say('this glibc is older than the wheels need: unpacking a newer one beside the interpreter')
        install_private_glibc(VENV, interpreter, tools.patchelf())


def link_for_type_checkers() -> None:
    """mypy and editors cannot follow setuptools' import hook: give them the package as a folder."""
    folder = VENV / 'typing' / 'vaiven'
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        **{path.name: path for path in (ROOT / 'package').glob('*.py')},
        **{name: ROOT / name for name in FOLDERS},
    }
    for name, path in parts.items():
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(path, target_is_directory=path.is_dir())


def complain(text: str) -> int:
    print(f'env: {text}', file=sys.stderr, flush=True)
    return 1


def main() -> int:
    if stamp() == fingerprint():
        return 0
    try:
        VENV.mkdir(exist_ok=True)
        with (VENV / '.making').open('w') as lock:  # not .lock, which is uv's own
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say('another `make env` is at work here: waiting for it')
                fcntl.flock(lock, fcntl.LOCK_EX)
            if stamp() != fingerprint():
                make()
                say('ready')
    except Missing as missing:
        return complain(str(missing))
    except subprocess.CalledProcessError as error:
        words = [pathlib.Path(str(word)).name for word in error.cmd[:4]]
        return complain(
            f'`{" ".join(words)} …` failed with exit status {error.returncode}; its own message is above'
        )
    except OSError as error:
        return complain(f'{error.strerror}: {error.filename}' if error.filename else str(error))
    except KeyboardInterrupt:
        complain('interrupted; the next `make env` goes on from here')
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
