"""The servers of `vaiven serve` that run on this machine: one small state file for each, named by its gRPC port.

The file of a server that was killed remains. It therefore identifies the process by the boot of the machine, the
process id and the start time of the process, and is ignored once that process has ended.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vaiven.atomic import replacing
from vaiven.serving.common.errors import ServingError

_BOOT_ID = Path('/proc/sys/kernel/random/boot_id')


@dataclass(frozen=True)
class Running:
    """One server of `vaiven serve`, which may be starting, serving, or draining.

    Attributes:
        pid: its process id.
        started: boot and start time of the process, from `start_of`.
        host, port, rest_port: address of the server; `rest_port` is 0 without a REST API.
        models: base path by the name of the model.
        log: path of its log; empty if it logs to a terminal.
    """

    pid: int
    started: str
    host: str
    port: int
    rest_port: int
    models: Mapping[str, str] = field(default_factory=dict)
    log: str = ''

    def alive(self) -> bool:
        """Whether that very process runs, and not another with the same id."""
        return bool(self.started) and start_of(self.pid) == self.started

    def __str__(self) -> str:
        return f'{self.host}:{self.port} (process {self.pid}, {", ".join(self.models) or "no model"})'


def folder() -> Path:
    """Returns the folder of state files and logs for this user."""
    try:
        state = os.environ.get('XDG_STATE_HOME') or Path.home() / '.local' / 'state'
    except RuntimeError:  # the user has no home
        state = Path(tempfile.gettempdir()) / f'state-{os.getuid()}'
    return Path(state) / 'vaiven'


def start_of(pid: int) -> str:
    """Returns boot and start time of a process, which identify it; empty if no such process runs."""
    try:
        # The program name, in parentheses, may contain spaces and parentheses.
        fields = Path(f'/proc/{pid}/stat').read_text('utf-8', 'replace').rpartition(')')[2].split()
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        return ''
    ended = fields[0] in 'ZX'  # a zombie: its parent has not reaped it
    return '' if ended else f'{boot}/{fields[19]}'


def write(server: Running) -> None:
    """Writes the state file of a server. Raises ServingError if that is not possible."""
    path = _path(server.port)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            stream.write(json.dumps(dataclasses.asdict(server)) + '\n')
    except OSError as error:
        raise ServingError(
            f'cannot write {path}: {error.strerror}. XDG_STATE_HOME names another folder'
        ) from error


def remove(server: Running) -> None:
    """Removes the state file of a server that has ended, unless another server has replaced it."""
    if _read(_path(server.port)) == server:
        _path(server.port).unlink(missing_ok=True)


def at(port: int) -> Running | None:
    """Returns the running server with this gRPC or REST port, if there is one."""
    return next((server for server in everywhere() if port in (server.port, server.rest_port)), None)


def everywhere() -> list[Running]:
    """Returns all running servers, sorted by port."""
    return sorted(_found(), key=lambda server: server.port)


def _found() -> Iterator[Running]:
    for path in folder().glob('*.json'):
        server = _read(path)
        if server is not None and server.alive():
            yield server


def _read(path: Path) -> Running | None:
    try:
        values = json.loads(path.read_bytes())
        server = Running(**values)
        numbers = (server.pid, server.port, server.rest_port)
        return server if all(isinstance(number, int) for number in numbers) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None  # incomplete, or not a state file


def _path(port: int) -> Path:
    return folder() / f'{port}.json'
