"""What must be there before anything is downloaded; every gap is named at once, with its package."""

from __future__ import annotations

import pathlib
import platform
import shutil
import subprocess

from missing import Missing

NEEDED_BYTES = 4_500_000_000
HEADERS = (
    'import os, sysconfig; print(os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
)


def check_machine(venv: pathlib.Path) -> None:
    """Raises Missing where the libraries' wheels do not exist for this machine, or the disk is too full."""
    if (platform.system(), platform.machine()) != ('Linux', 'x86_64'):
        raise Missing(
            'the libraries exist for Linux on x86-64 only. '
            f'This is {platform.system()} on {platform.machine()}: use a virtual machine or a container of that kind'
        )
    free = shutil.disk_usage(venv).free
    if free < NEEDED_BYTES and not (venv / 'lib').exists():
        raise Missing(
            f'the environment takes {NEEDED_BYTES / 1e9:.1f} GB, and {venv.parent} has {free / 1e9:.1f} GB free: '
            'make room'
        )


def has_headers(python: pathlib.Path | str) -> bool:
    return (
        subprocess.run([str(python), '-c', HEADERS], capture_output=True, text=True).stdout.strip() == 'True'
    )


def check_compiler(python: pathlib.Path) -> None:
    """`pyfarmhash`, which TensorFlow Data Validation needs, has no wheel: it is compiled here."""
    packages = {}
    if not (shutil.which('g++') or shutil.which('c++') or shutil.which('clang++')):
        packages['C++ compiler'] = 'g++'
    if not has_headers(python):
        packages[f'headers of {python}'] = f'{python.name}-dev'
    if packages:
        raise Missing(
            f'no {" and no ".join(packages)}: install the package {" and ".join(packages.values())}'
        )
