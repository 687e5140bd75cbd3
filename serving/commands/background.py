"""Starts a server that outlives the command and its terminal, and ends one: `vaiven serve --background`, `--stop`."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
from collections.abc import Mapping

from vaiven.serving.common import running_servers
from vaiven.serving.common.errors import ServerStartError, ServingError
from vaiven.serving.common.running_servers import Running

START_SECONDS = 600.0  # a large model is slow to load; Ctrl-C ends the wait, and the server
# Above the server's own bound on draining, --drain_seconds.
STOP_SECONDS = 60.0
REASON = re.compile(r'^Failed to start server\. Error: (.*)$', re.MULTILINE)


class NotRunningError(ServingError):
    """There is no server to stop."""

    exit_status = 1


def refuse_second(host: str, port: int, rest_port: int) -> None:
    """Raises ServerStartError where one of the ports belongs to a server already, ours or any other."""
    for number in filter(None, (port, rest_port)):
        if (server := running_servers.at(number)) is not None:
            stop = f'vaiven serve --stop --port {server.port}'
            raise ServerStartError(
                f'a server runs at {server}: stop it with `{stop}`, or choose other ports with --port and --rest-port'
            )
    from vaiven.serving.common import ports

    ports.check(host, {port, rest_port})


def start(
    host: str,
    port: int,
    rest_port: int,
    models: Mapping[str, str],
    flags: Mapping[str, object],
    inherited: tuple[int, ...] = (),
) -> Running:
    """Starts a server in a session of its own, and returns once it answers.

    Args:
        host, port, rest_port: where it listens.
        models: base path by the name of the model; for the record.
        flags: more flags of the server, by name without dashes.
        inherited: file descriptors that the server keeps, with their numbers.

    Raises:
        ServerStartError: it ended before it was ready; in one line.
    """
    from vaiven.serving.server.server_process import ServerProcess

    log = running_servers.folder() / f'{port}.log'
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError as error:
        raise ServingError(
            f'cannot write {log}: {error.strerror}. XDG_STATE_HOME names another folder'
        ) from error
    name, base_path = next(iter(models.items()), ('', ''))
    process = ServerProcess(
        name,
        base_path,
        port=port,
        rest_port=rest_port,
        host=host,
        flags={**flags, 'exit_with_stdin': False},
        log_path=log,
        timeout=START_SECONDS,
        inherited=inherited,
    )
    record: list[Running] = []

    def started(pid: int) -> None:
        record.append(Running(pid, running_servers.start_of(pid), host, port, rest_port, models, str(log)))
        running_servers.write(record[0])

    try:
        process.start(started)
    except ServerStartError as error:
        reasons = REASON.findall(log.read_text('utf-8', 'replace'))
        reason = reasons[-1] if reasons else str(error).strip().splitlines()[-1]
        raise ServerStartError(f'the server did not start: {reason} (its log: {log})') from error
    finally:
        if record and not record[0].alive():
            running_servers.remove(record[0])
    process.leave()
    return record[0]


def stop(port: int | None) -> Running:
    """Ends a server, after the requests that are under way; returns what it was.

    Args:
        port: its gRPC or REST port; None for the only server that runs.

    Raises:
        NotRunningError: there is no such server.
        ServingError: several run and no port was named, or it does not end.
    """
    found = running_servers.everywhere()
    named = [server for server in found if port is None or port in (server.port, server.rest_port)]
    if not named:
        where = '' if port is None else f' at port {port}'
        others = f'; there are: {", ".join(map(str, found))}' if found else ''
        raise NotRunningError(f'no server of `vaiven serve` runs{where}{others}')
    if len(named) > 1:
        raise ServingError(f'several servers run: {", ".join(map(str, named))}. Name one with --port')
    server = named[0]
    if not _end(server):
        raise ServerStartError(
            f'the server at {server} has not ended within {STOP_SECONDS:g} s: see {server.log or "its log"}'
        )
    running_servers.remove(server)
    return server


def _end(server: Running) -> bool:
    """Sends SIGTERM, and waits until the process is gone; whether it is."""
    try:
        handle = os.pidfd_open(server.pid)
    except ProcessLookupError:
        return True
    try:
        # The handle stays with one process: what is checked now is what gets the signal.
        if not server.alive():
            return True
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        return bool(waiting.poll(1000 * STOP_SECONDS))
    except PermissionError as error:
        raise ServingError(
            f'the server at {server} belongs to another user: only that one may stop it'
        ) from error
    finally:
        os.close(handle)
