"""Starts and stops a server in the background: `vaiven serve --background` and `--stop`."""

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

START_SECONDS = 600.0  # a large model is slow to load; Ctrl-C stops the wait and the server
# Above the server's limit for draining, --drain_seconds.
STOP_SECONDS = 60.0
REASON = re.compile(r'^Failed to start server\. Error: (.*)$', re.MULTILINE)


class NotRunningError(ServingError):
    """There is no server to stop."""

    exit_status = 1


def require_free_ports(host: str, port: int, rest_port: int) -> None:
    """Checks that no process listens on the ports.

    Args:
        host: address to listen on.
        port: port of the gRPC API.
        rest_port: port of the REST API; 0 for none.

    Raises:
        ServerStartError: a port is taken.
    """
    for number in filter(None, (port, rest_port)):
        if (server := running_servers.at(number)) is not None:
            stop = f'vaiven serve --stop --port {server.port}'
            raise ServerStartError(
                f'a server is running at {server}: stop it with `{stop}`, or choose other ports with --port and '
                '--rest-port'
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
    """Starts a server in a new session, and returns when it is ready.

    Args:
        host: address to listen on.
        port: port of the gRPC API.
        rest_port: port of the REST API; 0 for none.
        models: base path of each model by name, for the record of running servers.
        flags: other flags of the server, by name without dashes.
        inherited: file descriptors that the server inherits under the same numbers.

    Returns:
        The record of the running server.

    Raises:
        ServerStartError: the server ended before it was ready; the message is one line.
        ServingError: the log file cannot be written.
    """
    from vaiven.serving.server.server_process import ServerProcess

    log = running_servers.folder() / f'{port}.log'
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError as error:
        raise ServingError(
            f'cannot write {log}: {error.strerror}. Set XDG_STATE_HOME to another folder'
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
    records: list[Running] = []

    def on_start(pid: int) -> None:
        records.append(Running(pid, running_servers.start_of(pid), host, port, rest_port, models, str(log)))
        running_servers.write(records[0])

    try:
        process.start(on_start)
    except ServerStartError as error:
        reasons = REASON.findall(log.read_text('utf-8', 'replace'))
        reason = reasons[-1] if reasons else str(error).strip().splitlines()[-1]
        raise ServerStartError(f'the server did not start: {reason} (log: {log})') from error
    finally:
        if records and not records[0].alive():
            running_servers.remove(records[0])
    process.detach()
    return records[0]


def stop(port: int | None) -> Running:
    """Stops a server after its running requests.

    Args:
        port: its gRPC or REST port; None for the only running server.

    Returns:
        The record of the server.

    Raises:
        NotRunningError: there is no such server.
        ServingError: several servers are running and no port was given, or the server does not stop.
    """
    running = running_servers.everywhere()
    matches = [server for server in running if port is None or port in (server.port, server.rest_port)]
    if not matches:
        at_port = '' if port is None else f' on port {port}'
        others = f'; running: {", ".join(map(str, running))}' if running else ''
        raise NotRunningError(f'no server of `vaiven serve` is running{at_port}{others}')
    if len(matches) > 1:
        raise ServingError(
            f'several servers are running: {", ".join(map(str, matches))}. Choose one with --port'
        )
    server = matches[0]
    if not _terminate(server):
        raise ServerStartError(
            f'the server at {server} did not stop within {STOP_SECONDS:g} s: see {server.log or "its log"}'
        )
    running_servers.remove(server)
    return server


def _terminate(server: Running) -> bool:
    """Sends SIGTERM and waits for the process to end; returns whether it has."""
    try:
        handle = os.pidfd_open(server.pid)
    except ProcessLookupError:
        return True
    try:
        # A pidfd refers to one process: the process that is checked here is the one that gets the signal.
        if not server.alive():
            return True
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(1000 * STOP_SECONDS))
    except PermissionError as error:
        raise ServingError(f'the server at {server} belongs to another user, who must stop it') from error
    finally:
        os.close(handle)
