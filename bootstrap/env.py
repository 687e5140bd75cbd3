"""Creates `.venv/`: Python 3.11, the libraries of `requirements/lock.txt`, and an editable installation of vaiven.

`make env` runs this script with any Python 3.9 or newer; it only needs the standard library. If nothing has changed, it
ends in a fraction of a second. The stamp file is removed first and written last, so an incomplete environment is never
used. Downloads stay in uv's cache, so an interrupted run does not repeat them.
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
from missing import MissingRequirement
from tools import Tools

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
LOCK = ROOT / 'requirements' / 'lock.txt'
STAMP = VENV / '.complete'
FOLDERS = ('pipeline', 'components', 'models', 'serving')


def fingerprint() -> str:
    """Two digests, separated by a space: of what the interpreter depends on, and of what the libraries depend on."""
    interpreter = digest(
        [str(ROOT).encode(), *(path.read_bytes() for path in sorted((ROOT / 'bootstrap').glob('*.py')))]
    )
    modules = [
        path.name.encode() for path in sorted((ROOT / 'package').glob('*.py'))
    ]  # they are linked for type checkers
    libraries = digest(
        [*(path.read_bytes() for path in (LOCK, ROOT / 'setup.py', ROOT / 'pyproject.toml')), *modules]
    )
    return f'{interpreter} {libraries}'


def digest(parts: list[bytes]) -> str:
    """SHA-256 of a list of byte strings."""
    return hashlib.sha256(b'\0'.join(parts)).hexdigest()


def print_status(text: str) -> None:
    """Prints a line about the progress."""
    print(f'env: {text}', flush=True)


def run(*command: object) -> None:
    """Runs a command. Raises subprocess.CalledProcessError if it fails."""
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)


def stamp() -> str:
    """The fingerprint of the existing environment; empty if it is incomplete or its interpreter does not start."""
    if not STAMP.exists():
        return ''
    try:
        probe = subprocess.run([str(VENV / 'bin' / 'python'), '-c', 'import venv'], capture_output=True)
    except OSError:
        return ''
    return '' if probe.returncode else STAMP.read_text()


def make() -> None:
    """Creates the environment, or updates it.

    Raises:
        MissingRequirement: the machine lacks something.
        subprocess.CalledProcessError: a command failed.
    """
    same_interpreter = stamp().split(' ')[0] == fingerprint().split(' ')[0]
    STAMP.unlink(missing_ok=True)
    check_machine(VENV)
    tools = Tools(VENV / 'tools', print_status)
    python = find_python311(VENV, tools, print_status)
    check_compiler(python)
    uv = tools.uv()
    interpreter = VENV / 'bin' / 'python'
    if not same_interpreter:
        make_interpreter(python, interpreter, tools)
    print_status('installing the libraries (3 GB; minutes the first time, under one from a warm cache)')
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
    """Copies the interpreter into the environment, with a newer C library if the system's is too old.

    Args:
        python: the interpreter to copy.
        interpreter: path of the copy.
        tools: has patchelf.
    """
    print_status(f'Python from {python}')
    for name in ('lib', 'bin'):
        shutil.rmtree(VENV / name, ignore_errors=True)
    run(python, '-m', 'venv', '--copies', '--without-pip', VENV)
    if glibc_version(interpreter) < MIN_GLIBC:
        print_status('the glibc of this system is too old: unpacking a newer one next to the interpreter')
        install_private_glibc(VENV, interpreter, tools.patchelf())


def link_for_type_checkers() -> None:
    """Links the package as a folder, because mypy and editors cannot follow the import hook of setuptools."""
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


def print_error(text: str) -> int:
    """Prints a line on standard error; returns the exit status 1."""
    print(f'env: {text}', file=sys.stderr, flush=True)
    return 1


def main() -> int:
    """Creates the environment if something has changed; returns the exit status."""
    if stamp() == fingerprint():
        return 0
    try:
        VENV.mkdir(exist_ok=True)
        with (VENV / '.making').open('w') as lock:  # not .lock, which uv uses
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print_status('another `make env` is in progress: waiting for it')
                fcntl.flock(lock, fcntl.LOCK_EX)
            if stamp() != fingerprint():
                make()
                print_status('ready')
    except MissingRequirement as error:
        return print_error(str(error))
    except subprocess.CalledProcessError as error:
        words = [pathlib.Path(str(word)).name for word in error.cmd[:4]]
        return print_error(
            f'`{" ".join(words)} …` failed with exit status {error.returncode}; its output is above'
        )
    except OSError as error:
        return print_error(f'{error.strerror}: {error.filename}' if error.filename else str(error))
    except KeyboardInterrupt:
        print_error('interrupted; `make env` resumes')
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
