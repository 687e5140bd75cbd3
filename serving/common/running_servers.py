"""Which servers of `vaiven serve` run on this machine: a small record for each, named after its gRPC port.

A record outlives a server that was killed. So it holds what identifies the process for good (the start of the machine,
the process id, the start of the process), and counts only while that very process is there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vaiven.serving.common.errors import ServingError

_BOOT_ID = Path('/proc/sys/kernel/random/boot_id')


@dataclass(frozen=True)
class Running:
    """One server of `vaiven serve`, which may be starting, serving, or draining.

    Attributes:
        pid: its process id.
        started: when that process started; see `start_of`.
        host, port, rest_port: where it listens, or will; a `rest_port` of 0 is none.
        models: base path by the name of the model.
        log: path of its log; empty where that goes to a terminal.
    """

    pid: int
    started: str
    host: str
    port: int
    rest_port: int
    models: Mapping[str, str] = field(default_factory=dict)
    log: str = ''

    def alive(self) -> bool:
        """Whether the process that wrote this is there: another one with its id is not."""
        return bool(self.started) and start_of(self.pid) == self.started

    def __str__(self) -> str:
        return f'{self.host}:{self.port} (process {self.pid}, {", ".join(self.models) or "no model"})'


def folder() -> Path:
    """Where records and logs are, for this user."""
    try:
        state = os.environ.get('XDG_STATE_HOME') or Path.home() / '.local' / 'state'
    except RuntimeError:  # the user has no home
        state = Path(tempfile.gettempdir()) / f'state-{os.getuid()}'
    return Path(state) / 'vaiven'


def start_of(pid: int) -> str:
    """When the process with this id started, unlike that of any other; empty where there is none, or it has ended."""
    try:
        # The name of the program, in parentheses, may hold anything.
        fields = Path(f'/proc/{pid}/stat').read_text('utf-8', 'replace').rpartition(')')[2].split()
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        return ''
    ended = fields[0] in 'ZX'  # a zombie: its parent has not asked for its status
    return '' if ended else f'{boot}/{fields[19]}'


def write(server: Running) -> None:
    """Records a server. Raises ServingError where the folder cannot be written to."""
    path = _path(server.port)
    part = path.with_suffix(f'.{os.getpid()}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(dataclasses.asdict(server)) + '\n', encoding='utf-8')
        part.replace(path)
    except OSError as error:
        raise ServingError(
            f'cannot write {path}: {error.strerror}. XDG_STATE_HOME names another folder'
        ) from error


def remove(server: Running) -> None:
    """Removes the record of a server that has ended; another server's stays."""
    if _read(_path(server.port)) == server:
        _path(server.port).unlink(missing_ok=True)


def at(port: int) -> Running | None:
    """The server whose gRPC or REST port this is, if it runs."""
    return next((server for server in everywhere() if port in (server.port, server.rest_port)), None)


def everywhere() -> list[Running]:
    """All servers that run, by port."""
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
        return None  # half of one, or no record at all


def _path(port: int) -> Path:
    return folder() / f'{port}.json'
