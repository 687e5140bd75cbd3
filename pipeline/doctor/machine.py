"""Checks of the machine: system, cores, memory, disk and ports."""

import os
import platform
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from vaiven.pipeline.doctor.check import BAD, NOTE, OK, Check

PYTHON = (3, 11)  # TFX's Kubeflow extra exists only below 3.12
GLIBC = (2, 38)  # required by the wheel of TensorFlow Data Validation
MEMORY_GB = (2.5, 5.0)  # below the first, a run fails; below the second, it may fail
DISK_GB = (1.0, 5.0)
PORTS = (8500, 8501)


def python() -> Check:
    """Checks the version of Python."""
    detail = f'{platform.python_version()} at {sys.executable}'
    if sys.version_info[:2] == PYTHON:
        return Check('Python', OK, detail)
    return Check('Python', BAD, detail, 'the pipeline needs Python 3.11: make env, then .venv/bin/vaiven')


def system() -> Check:
    """Checks the operating system, the architecture and the C library."""
    kind = f'{platform.system()} {platform.machine()}'
    if (platform.system(), platform.machine()) != ('Linux', 'x86_64'):
        return Check(
            'system', BAD, kind, 'the libraries need Linux on x86-64: use such a machine or container'
        )
    name, _, version = (os.confstr('CS_GNU_LIBC_VERSION') or 'other 0').partition(' ')
    detail = f'{kind}, {name} {version}'
    if name != 'glibc' or tuple(map(int, version.split('.')[:2])) < GLIBC:
        return Check(
            'system', BAD, detail, 'glibc 2.38 is required: make env installs it next to the interpreter'
        )
    return Check('system', OK, detail)


def cores() -> Check:
    """The number of cores that this process may use."""
    return Check('cores', OK, str(len(os.sched_getaffinity(0))))


def memory() -> Check:
    """Checks the free memory of the machine, or of the control group if that is less."""
    facts = dict(line.split(':') for line in Path('/proc/meminfo').read_text().splitlines())
    free = int(facts['MemAvailable'].split()[0]) / 1e6
    try:
        limit = Path('/sys/fs/cgroup/memory.max').read_text().strip()
        used = Path('/sys/fs/cgroup/memory.current').read_text().strip()
        free = min(free, (int(limit) - int(used)) / 1e9)
    except (OSError, ValueError):
        pass
    return _check_free('memory', free, MEMORY_GB, 'stop other programs, or use a larger machine')


def disk(folder: Path) -> Check:
    """Checks the free space for the folder of runs, which is created below `folder`."""
    if not os.access(folder, os.W_OK):
        return Check('disk', BAD, f'{folder} cannot be written', 'change to a folder that can be written')
    return _check_free(
        'disk', shutil.disk_usage(folder).free / 1e9, DISK_GB, f'free some space on the disk of {folder}'
    )


def temporary() -> Check:
    """Checks that temporary files can be written."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b'1')
    except OSError as error:
        return Check('temporary files', BAD, str(error), 'set TMPDIR to a folder that can be written')
    return Check('temporary files', OK, tempfile.gettempdir())


def ports(numbers: tuple[int, ...] = PORTS) -> Check:
    """Checks that the default ports of `vaiven serve` are free."""
    taken = [number for number in numbers if not _is_free(number)]
    if not taken:
        return Check('ports', OK, f'{" and ".join(map(str, numbers))} are free')
    return Check(
        'ports',
        NOTE,
        f'{" and ".join(map(str, taken))} in use on 127.0.0.1',
        'choose others for `vaiven serve` with --port and --rest-port; `vaiven run` uses free ones',
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


def _check_free(name: str, gigabytes: float, thresholds: tuple[float, float], remedy: str) -> Check:
    detail = f'{gigabytes:.1f} GB free'
    if gigabytes < thresholds[0]:
        return Check(name, BAD, detail, f'{thresholds[0]:g} GB are required: {remedy}')
    if gigabytes < thresholds[1]:
        return Check(name, NOTE, detail, f'{thresholds[1]:g} GB are recommended: {remedy}')
    return Check(name, OK, detail)
