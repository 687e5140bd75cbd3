"""Finds or downloads Python 3.11.

TFX's Kubeflow extra needs Python below 3.12. The interpreter of the distribution is preferred: Debian's is about 1.7
times as fast as an unoptimised build.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable

from glibc import download_and_unpack
from machine import has_headers
from missing import MissingRequirement
from tools import Tools

PYTHON_VERSION = '3.11'
DEBIAN_SUITE = 'bookworm'  # Debian 12, whose Python is 3.11
DEBIAN_PACKAGES = (
    *('python3.11', 'python3.11-minimal', 'libpython3.11-minimal', 'libpython3.11-stdlib'),
    *('libpython3.11-dev', 'python3.11-dev'),
    # The libraries of its extension modules except the C library: a newer Debian has other versions of some.
    *('libbz2-1.0', 'libcrypt1', 'libdb5.3', 'libexpat1', 'libffi8', 'liblzma5', 'libncursesw6', 'libnsl2'),
    *('libreadline8', 'libsqlite3-0', 'libssl3', 'libtinfo6', 'libtirpc3', 'libuuid1', 'zlib1g'),
)
DEBIAN_FOLDER = 'debian-python'


def version_of(python: str) -> str:
    """The version of an interpreter, as `3.11`; empty if it does not start or has no venv module."""
    code = 'import sys, venv; print("%d.%d" % sys.version_info[:2])'
    try:
        process = subprocess.run([python, '-c', code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return process.stdout.strip() if process.returncode == 0 else ''


def find_python311(home: pathlib.Path, tools: Tools, print_status: Callable[[str], None]) -> pathlib.Path:
    """Finds an interpreter: `$PYTHON`, or one with headers, or one without, or one that uv or apt can download.

    Args:
        home: folder of the environment, for downloads.
        tools: has uv and patchelf.
        print_status: prints a line.

    Raises:
        MissingRequirement: there is no interpreter and none can be downloaded, or `$PYTHON` is another version.
    """
    chosen = os.environ.get('PYTHON')
    if chosen:
        path = shutil.which(chosen)
        if not path or version_of(path) != PYTHON_VERSION:
            raise MissingRequirement(
                f'PYTHON={chosen} is not Python {PYTHON_VERSION}: set it to one that is, or leave it out'
            )
        return pathlib.Path(path)
    candidates = [
        f'/usr/bin/python{PYTHON_VERSION}',
        shutil.which(f'python{PYTHON_VERSION}'),
        shutil.which('python3'),
    ]
    matches = [name for name in candidates if name and version_of(name) == PYTHON_VERSION]
    if matches:
        return pathlib.Path(next(filter(has_headers, matches), matches[0]))
    for python in (
        *(home / 'python').glob(f'cpython-*/bin/python{PYTHON_VERSION}'),
        unpacked(home / DEBIAN_FOLDER),
    ):
        if version_of(str(python)) == PYTHON_VERSION and has_headers(python):
            return python
    print_status(f'no Python {PYTHON_VERSION} found: downloading it')
    downloaded = uv_python(home / 'python', tools) or debian_python(home / DEBIAN_FOLDER, tools)
    if downloaded is None:
        raise MissingRequirement(
            f'Python {PYTHON_VERSION} was not found and could not be downloaded: install python{PYTHON_VERSION}, '
            f'python{PYTHON_VERSION}-venv '
            f'and python{PYTHON_VERSION}-dev, and run make env PYTHON=…/python{PYTHON_VERSION}'
        )
    return downloaded


def uv_python(folder: pathlib.Path, tools: Tools) -> pathlib.Path | None:
    """Downloads an interpreter with uv; returns None if its server is unreachable."""
    command = [
        str(tools.uv()),
        'python',
        'install',
        '--quiet',
        '--no-bin',
        '--install-dir',
        str(folder),
        PYTHON_VERSION,
    ]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return None
    interpreters = sorted(folder.glob(f'cpython-{PYTHON_VERSION}*/bin/python{PYTHON_VERSION}'))
    return interpreters[0] if process.returncode == 0 and interpreters else None


def unpacked(folder: pathlib.Path) -> pathlib.Path:
    """Path of the interpreter in unpacked Debian packages."""
    return folder / 'usr' / 'bin' / f'python{PYTHON_VERSION}'


def debian_python(folder: pathlib.Path, tools: Tools) -> pathlib.Path | None:
    """Downloads and unpacks the interpreter of Debian 12, for a newer Debian with another Python; None on failure."""
    python = unpacked(folder)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        download_and_unpack(DEBIAN_SUITE, DEBIAN_PACKAGES, folder)
    except (subprocess.CalledProcessError, MissingRequirement):
        return None
    libraries = [*folder.glob('usr/lib/*-linux-gnu'), *folder.glob('lib/*-linux-gnu')]
    # An absolute path, because the environment has a copy of this file in another folder.
    rpath = ':'.join(map(str, libraries))
    subprocess.run([str(tools.patchelf()), '--force-rpath', '--set-rpath', rpath, str(python)], check=True)
    return python if version_of(str(python)) == PYTHON_VERSION else None


def debian_include(python: pathlib.Path) -> pathlib.Path | None:
    """The include folder of an unpacked interpreter, for `<x86_64-linux-gnu/python3.11/pyconfig.h>`; else None."""
    root = python.parent.parent
    return root / 'include' if root.parent.name == DEBIAN_FOLDER else None
