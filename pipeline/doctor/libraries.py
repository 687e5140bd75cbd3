"""Checks of the libraries: are they there, of the versions that were asked for, and does TensorFlow start."""

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
SECONDS = 120
PROBE = """
import json, tensorflow as tf
import tensorflow_text
devices = tf.config.list_physical_devices('GPU')
names = [tf.config.experimental.get_device_details(each).get('device_name', each.name) for each in devices]
print(json.dumps({'version': tf.__version__, 'built': tf.test.is_built_with_cuda(), 'gpus': names}))
import os, sys
sys.stdout.flush()
os._exit(0)
"""


def installed() -> Check:
    """Every requirement of the extra `pipeline`, as the installed distribution states it."""
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        return Check('libraries', BAD, 'packaging is missing', REMEDY)
    wanted = [Requirement(text) for text in importlib.metadata.requires('vaiven') or []]
    wanted = [each for each in wanted if each.marker is None or each.marker.evaluate({'extra': 'pipeline'})]
    faults = []
    for each in {str(each): each for each in wanted}.values():
        version = version_of(each.name)
        if version is None:
            faults.append(f'{each.name} is missing')
        elif not each.specifier.contains(version, prereleases=True):
            faults.append(f'{each.name} is {version}, not {each.specifier}')
    if faults:
        return Check('libraries', BAD, listed(faults), REMEDY)
    return Check('libraries', OK, f'{len({each.name for each in wanted})} as setup.py wants them')


def locked(lock: Path = LOCK) -> Check | None:
    """Versions that differ from the lock file; None where there is no checkout."""
    if not lock.exists():
        return None
    pins = re.findall(r'^([A-Za-z0-9._-]+)==([^\s;]+)', lock.read_text(), re.M)
    found = {name: version_of(name) for name, _ in pins}
    faults = [f'{name} is {found[name] or "missing"}, not {pin}' for name, pin in pins if found[name] != pin]
    if faults:
        return Check('lock file', NOTE, listed(faults), 'make env installs what was tested')
    return Check('lock file', OK, f'{len(pins)} libraries as locked')


def version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def listed(faults: list[str], most: int = 3) -> str:
    more = f' and {len(faults) - most} more' if len(faults) > most else ''
    return '; '.join(faults[:most]) + more


def bytecode() -> Check:
    """Compiled bytecode: without it every process compiles tens of thousands of files anew."""
    spec = importlib.util.find_spec('tensorflow')
    source = spec.origin if spec else None
    if source and not os.path.exists(importlib.util.cache_from_source(source)):
        switch = 'PYTHONDONTWRITEBYTECODE is set and ' if sys.dont_write_bytecode else ''
        return Check(
            'bytecode',
            NOTE,
            f'{switch}the libraries are not compiled: every start takes three times as long',
            'make env compiles them; or python -m compileall -q on the site-packages folder',
        )
    return Check('bytecode', OK, 'compiled')


class TensorFlow:
    """Imports TensorFlow in a process of its own, which may crash, while other checks go on."""

    def __init__(self) -> None:
        environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'}
        command = [sys.executable, '-c', PROBE]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )

    def checks(self) -> list[Check]:
        """TensorFlow, and the GPUs that it sees."""
        try:
            output, errors = self._process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return [Check('TensorFlow', BAD, f'its import takes more than {SECONDS} s', REMEDY)]
        finally:
            self._process.kill()
            self._process.wait()
        if self._process.returncode:
            lines = errors.decode('utf-8', 'replace').strip().splitlines()
            reason = lines[-1] if lines else f'ended with status {self._process.returncode}'
            return [Check('TensorFlow', BAD, reason, REMEDY)]
        return self.facts(json.loads(output.decode().splitlines()[-1]))

    @staticmethod
    def facts(found: dict[str, object]) -> list[Check]:
        names = found['gpus']
        assert isinstance(names, list)
        return [
            Check('TensorFlow', OK, f'{found["version"]} with tensorflow-text starts'),
            Check('GPU', OK, ', '.join(names) if names else 'none: training runs on the processor'),
            *unused_gpu(bool(names)),
        ]


def unused_gpu(seen: bool) -> list[Check]:
    """A GPU that the system has and TensorFlow does not see."""
    if seen or not os.path.exists('/dev/nvidiactl'):
        return []
    remedy = "pip install 'vaiven[gpu]' into the environment"
    return [Check('GPU driver', NOTE, 'there is a GPU that TensorFlow does not see', remedy)]
