"""Checks of the machine: system, processor cores, memory, disk, ports."""

import os
import platform
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from vaiven.pipeline.doctor.check import BAD, NOTE, OK, Check

PYTHON = (3, 11)  # TFX's Kubeflow extra exists only below 3.12
GLIBC = (2, 38)  # what TensorFlow Data Validation's wheel asks for
MEMORY_GB = (2.5, 5.0)  # below the first the main job fails; below the second it may
DISK_GB = (1.0, 5.0)
PORTS = (8500, 8501)


def python() -> Check:
    found = f'{platform.python_version()} at {sys.executable}'
    if sys.version_info[:2] == PYTHON:
        return Check('Python', OK, found)
    return Check('Python', BAD, found, 'the pipeline needs Python 3.11: make env, then .venv/bin/vaiven')


def system() -> Check:
    kind = f'{platform.system()} {platform.machine()}'
    if (platform.system(), platform.machine()) != ('Linux', 'x86_64'):
        return Check(
            'system', BAD, kind, 'the libraries exist for Linux on x86-64: use such a machine or container'
        )
    name, _, version = (os.confstr('CS_GNU_LIBC_VERSION') or 'other 0').partition(' ')
    found = f'{kind}, {name} {version}'
    if name != 'glibc' or tuple(map(int, version.split('.')[:2])) < GLIBC:
        return Check('system', BAD, found, 'glibc 2.38 is needed: make env puts one beside the interpreter')
    return Check('system', OK, found)


def cores() -> Check:
    return Check('cores', OK, str(len(os.sched_getaffinity(0))))


def memory() -> Check:
    """Of the machine, or of the control group where that has less."""
    facts = dict(line.split(':') for line in Path('/proc/meminfo').read_text().splitlines())
    free = int(facts['MemAvailable'].split()[0]) / 1e6
    try:
        limit = Path('/sys/fs/cgroup/memory.max').read_text().strip()
        used = Path('/sys/fs/cgroup/memory.current').read_text().strip()
        free = min(free, (int(limit) - int(used)) / 1e9)
    except (OSError, ValueError):
        pass
    return _enough('memory', free, MEMORY_GB, 'end other programs, or use a larger machine')


def disk(folder: Path) -> Check:
    """Space for a run's folder, which is made below `folder`."""
    if not os.access(folder, os.W_OK):
        return Check('disk', BAD, f'{folder} cannot be written', 'go to a folder that can be written')
    return _enough(
        'disk', shutil.disk_usage(folder).free / 1e9, DISK_GB, f'make room on the disk of {folder}'
    )


def temporary() -> Check:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b'1')
    except OSError as error:
        return Check('temporary files', BAD, str(error), 'set TMPDIR to a folder that can be written')
    return Check('temporary files', OK, tempfile.gettempdir())


def ports(numbers: tuple[int, ...] = PORTS) -> Check:
    taken = [number for number in numbers if not _is_free(number)]
    if not taken:
        return Check('ports', OK, f'{" and ".join(map(str, numbers))} are free')
    return Check(
        'ports',
        NOTE,
        f'{" and ".join(map(str, taken))} taken on 127.0.0.1',
        '`vaiven serve` takes others with --port and --rest-port; `vaiven run` finds free ones',
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
            probe.listen()
        except OSError:
            return False
    return True


def _enough(name: str, gigabytes: float, least: tuple[float, float], remedy: str) -> Check:
    found = f'{gigabytes:.1f} GB free'
    if gigabytes < least[0]:
        return Check(name, BAD, found, f'{least[0]:g} GB are needed: {remedy}')
    if gigabytes < least[1]:
        return Check(name, NOTE, found, f'{least[1]:g} GB are better: {remedy}')
    return Check(name, OK, found)
