"""Checks of the libraries: installed, of the right versions, and able to start TensorFlow."""

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from vaiven.pipeline.doctor.check import BAD, NOTE, OK, Check

LOCK = Path(__file__).resolve().parents[2] / 'requirements' / 'lock.txt'
REMEDY = "make env (or, without a checkout, pip install 'vaiven[pipeline]')"
MAX_IMPORT_SECONDS = 120
PROBE = """
import json, tensorflow as tf
import tensorflow_text
devices = tf.config.list_physical_devices('GPU')
names = [tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name) for gpu in devices]
print(json.dumps({'version': tf.__version__, 'built': tf.test.is_built_with_cuda(), 'gpus': names}))
import os, sys
sys.stdout.flush()
os._exit(0)
"""


def installed() -> Check:
    """Checks every requirement of the extra `pipeline` of the installed distribution."""
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        return Check('libraries', BAD, 'packaging is missing', REMEDY)
    requirements = [Requirement(text) for text in importlib.metadata.requires('vaiven') or []]
    requirements = [
        requirement
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({'extra': 'pipeline'})
    ]
    faults = []
    for requirement in {str(requirement): requirement for requirement in requirements}.values():
        version = version_of(requirement.name)
        if version is None:
            faults.append(f'{requirement.name} is missing')
        elif not requirement.specifier.contains(version, prereleases=True):
            faults.append(f'{requirement.name} is {version}, not {requirement.specifier}')
    if faults:
        return Check('libraries', BAD, join_faults(faults), REMEDY)
    return Check(
        'libraries', OK, f'{len({requirement.name for requirement in requirements})} of the required versions'
    )


def lock_file(lock: Path = LOCK) -> Check | None:
    """Compares the installed versions with the lock file.

    Args:
        lock: path of the lock file.

    Returns:
        The result; None if there is no lock file, as in an installation without a checkout.
    """
    if not lock.exists():
        return None
    pins = re.findall(r'^([A-Za-z0-9._-]+)==([^\s;]+)', lock.read_text(), re.M)
    versions = {name: version_of(name) for name, _ in pins}
    faults = [
        f'{name} is {versions[name] or "missing"}, not {pin}' for name, pin in pins if versions[name] != pin
    ]
    if faults:
        return Check('lock file', NOTE, join_faults(faults), 'make env installs the tested versions')
    return Check('lock file', OK, f'{len(pins)} libraries as locked')


def version_of(name: str) -> str | None:
    """The installed version of a distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def join_faults(faults: list[str], max_faults: int = 3) -> str:
    """The first faults in one line, with the number of the others."""
    more = f' and {len(faults) - max_faults} more' if len(faults) > max_faults else ''
    return '; '.join(faults[:max_faults]) + more


def bytecode() -> Check:
    """Checks for compiled bytecode. Without it, every process compiles tens of thousands of files again."""
    spec = importlib.util.find_spec('tensorflow')
    source = spec.origin if spec else None
    if source and not os.path.exists(importlib.util.cache_from_source(source)):
        switch = 'PYTHONDONTWRITEBYTECODE is set and ' if sys.dont_write_bytecode else ''
        return Check(
            'bytecode',
            NOTE,
            f'{switch}the libraries are not compiled, so every start takes three times as long',
            'make env compiles them, or python -m compileall -q SITE-PACKAGES',
        )
    return Check('bytecode', OK, 'compiled')


class TensorFlow:
    """Imports TensorFlow in a separate process, which may crash, while other checks run."""

    def __init__(self) -> None:
        environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'}
        command = [sys.executable, '-c', PROBE]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )

    def checks(self) -> list[Check]:
        """Waits for the process; returns the checks of TensorFlow and of the GPUs that it finds."""
        try:
            output, errors = self._process.communicate(timeout=MAX_IMPORT_SECONDS)
        except subprocess.TimeoutExpired:
            return [Check('TensorFlow', BAD, f'the import takes more than {MAX_IMPORT_SECONDS} s', REMEDY)]
        finally:
            self._process.kill()
            self._process.wait()
        if self._process.returncode:
            lines = errors.decode('utf-8', 'replace').strip().splitlines()
            reason = lines[-1] if lines else f'exit status {self._process.returncode}'
            return [Check('TensorFlow', BAD, reason, REMEDY)]
        return self.facts(json.loads(output.decode().splitlines()[-1]))

    @staticmethod
    def facts(output: dict[str, object]) -> list[Check]:
        """The checks for what the process printed: `version`, `built` and `gpus`."""
        names = output['gpus']
        assert isinstance(names, list)
        return [
            Check('TensorFlow', OK, f'{output["version"]} with tensorflow-text starts'),
            Check('GPU', OK, ', '.join(names) if names else 'none: training runs on the processor'),
            *unused_gpu(bool(names)),
        ]


def unused_gpu(is_used: bool) -> list[Check]:
    """A note if the system has a GPU and TensorFlow does not find one."""
    if is_used or not os.path.exists('/dev/nvidiactl'):
        return []
    remedy = "pip install 'vaiven[gpu]' into the environment"
    return [Check('GPU driver', NOTE, 'TensorFlow does not find the GPU', remedy)]
