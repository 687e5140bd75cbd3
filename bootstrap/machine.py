"""Checks of the machine before anything is downloaded. All missing packages are named at once."""

from __future__ import annotations

import pathlib
import platform
import shutil
import subprocess

from missing import MissingRequirement

MIN_FREE_BYTES = 4_500_000_000
HEADERS = (
    'import os, sysconfig; print(os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
)


def check_machine(venv: pathlib.Path) -> None:
    """Checks the operating system, the architecture and the disk.

    Args:
        venv: folder of the environment.

    Raises:
        MissingRequirement: there are no wheels for this machine, or the disk has too little free space.
    """
    if (platform.system(), platform.machine()) != ('Linux', 'x86_64'):
        raise MissingRequirement(
            'the libraries need Linux on x86-64. '
            f'This is {platform.system()} on {platform.machine()}: use such a virtual machine or container'
        )
    free = shutil.disk_usage(venv).free
    if free < MIN_FREE_BYTES and not (venv / 'lib').exists():
        raise MissingRequirement(
            f'the environment needs {MIN_FREE_BYTES / 1e9:.1f} GB, and {venv.parent} has {free / 1e9:.1f} GB free: '
            'free some space'
        )


def has_headers(python: pathlib.Path | str) -> bool:
    """Whether the C headers of an interpreter are installed."""
    return (
        subprocess.run([str(python), '-c', HEADERS], capture_output=True, text=True).stdout.strip() == 'True'
    )


def check_compiler(python: pathlib.Path) -> None:
    """Checks for a compiler and headers: `pyfarmhash`, which TensorFlow Data Validation needs, has no wheel.

    Raises:
        MissingRequirement: the compiler or the headers are missing.
    """
    packages = {}
    if not (shutil.which('g++') or shutil.which('c++') or shutil.which('clang++')):
        packages['C++ compiler'] = 'g++'
    if not has_headers(python):
        packages[f'headers of {python}'] = f'{python.name}-dev'
    if packages:
        raise MissingRequirement(
            f'no {" and no ".join(packages)}: install the package {" and ".join(packages.values())}'
        )
