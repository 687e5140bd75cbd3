"""Finds Python 3.11, or gets one.

TFX's Kubeflow extra exists only below Python 3.12. A distribution's own interpreter is preferred: Debian's
runs the same code about 1.7 times faster than an unoptimised source build.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable

from glibc import download_and_unpack
from machine import has_headers
from missing import Missing
from tools import Tools

WANTED = '3.11'
DEBIAN_SUITE = 'bookworm'  # Debian 12, whose Python is 3.11
DEBIAN_PACKAGES = (
    *('python3.11', 'python3.11-minimal', 'libpython3.11-minimal', 'libpython3.11-stdlib'),
    *('libpython3.11-dev', 'python3.11-dev'),
    # What its extension modules load, but for the C library: a newer Debian has other versions of some.
    *('libbz2-1.0', 'libcrypt1', 'libdb5.3', 'libexpat1', 'libffi8', 'liblzma5', 'libncursesw6', 'libnsl2'),
    *('libreadline8', 'libsqlite3-0', 'libssl3', 'libtinfo6', 'libtirpc3', 'libuuid1', 'zlib1g'),
)
DEBIAN_FOLDER = 'debian-python'


def version_of(python: str) -> str:
    """`3.11` and the like; empty where it does not start or cannot make environments."""
    code = 'import sys, venv; print("%d.%d" % sys.version_info[:2])'
    try:
        answer = subprocess.run([python, '-c', code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return answer.stdout.strip() if answer.returncode == 0 else ''


def find_python311(home: pathlib.Path, tools: Tools, say: Callable[[str], None]) -> pathlib.Path:
    """`$PYTHON` if it is set, else one with headers, else one without; else one that uv or apt can fetch.

    Raises:
        Missing: there is none and none could be fetched, or `$PYTHON` is another version.
    """
    chosen = os.environ.get('PYTHON')
    if chosen:
        path = shutil.which(chosen)
        if not path or version_of(path) != WANTED:
            raise Missing(f'PYTHON={chosen} is not Python {WANTED}: set it to one that is, or leave it out')
        return pathlib.Path(path)
    candidates = [f'/usr/bin/python{WANTED}', shutil.which(f'python{WANTED}'), shutil.which('python3')]
    found = [name for name in candidates if name and version_of(name) == WANTED]
    if found:
        return pathlib.Path(next(filter(has_headers, found), found[0]))
    for python in (*(home / 'python').glob(f'cpython-*/bin/python{WANTED}'), unpacked(home / DEBIAN_FOLDER)):
        if version_of(str(python)) == WANTED and has_headers(python):
            return python
    say(f'no Python {WANTED} here: getting one')
    fetched = uv_python(home / 'python', tools) or debian_python(home / DEBIAN_FOLDER, tools)
    if fetched is None:
        raise Missing(
            f'no Python {WANTED} was found and none could be fetched: install python{WANTED} with python{WANTED}-venv '
            f'and python{WANTED}-dev from wherever this system has it, and name it: make env PYTHON=…/python{WANTED}'
        )
    return fetched


def uv_python(folder: pathlib.Path, tools: Tools) -> pathlib.Path | None:
    """The interpreter that uv fetches; None where its server is not reached."""
    command = [
        str(tools.uv()),
        'python',
        'install',
        '--quiet',
        '--no-bin',
        '--install-dir',
        str(folder),
        WANTED,
    ]
    try:
        got = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return None
    found = sorted(folder.glob(f'cpython-{WANTED}*/bin/python{WANTED}'))
    return found[0] if got.returncode == 0 and found else None


def unpacked(folder: pathlib.Path) -> pathlib.Path:
    return folder / 'usr' / 'bin' / f'python{WANTED}'


def debian_python(folder: pathlib.Path, tools: Tools) -> pathlib.Path | None:
    """Debian 12's interpreter, unpacked into a folder of ours, for a newer Debian whose Python is another."""
    python = unpacked(folder)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        download_and_unpack(DEBIAN_SUITE, DEBIAN_PACKAGES, folder)
    except (subprocess.CalledProcessError, Missing):
        return None
    libraries = [*folder.glob('usr/lib/*-linux-gnu'), *folder.glob('lib/*-linux-gnu')]
    # Absolute, because the environment has a copy of this file in another place.
    rpath = ':'.join(map(str, libraries))
    subprocess.run([str(tools.patchelf()), '--force-rpath', '--set-rpath', rpath, str(python)], check=True)
    return python if version_of(str(python)) == WANTED else None


def debian_include(python: pathlib.Path) -> pathlib.Path | None:
    """Where the unpacked interpreter's own headers look for `<x86_64-linux-gnu/python3.11/pyconfig.h>`."""
    root = python.parent.parent
    return root / 'include' if root.parent.name == DEBIAN_FOLDER else None
