"""Ports: whether they are free, and one that is."""

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from vaiven.serving.common.errors import ServerStartError

# Each stands for both families, as gRPC has it.
ALL_INTERFACES = ('', '0.0.0.0', '::')
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
# Of sockaddr_un, with the NUL at the end.
MAX_SOCKET_BYTES = 107


def address(host: str, number: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    host = _bare(host)
    return f'[{host}]:{number}' if ':' in host else f'{host}:{number}'


def _bare(host: str) -> str:
    return host.removeprefix('[').removesuffix(']')


def listen(host: str, number: int) -> list[socket.socket]:
    """Sockets that listen on a port: one of all interfaces, IPv6 and IPv4, or one for each address of the host.

    Raises OSError where that is not possible. A machine without IPv6 has its IPv4 interfaces.
    """
    host = _bare(host)
    if host in ALL_INTERFACES:
        if socket.has_dualstack_ipv6():
            try:
                return [socket.create_server(('::', number), family=socket.AF_INET6, dualstack_ipv6=True)]
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY:  # the kernel has IPv6, and no interface does
                    raise
        return [socket.create_server(('0.0.0.0', number))]
    found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listening: list[socket.socket] = []
    failure: OSError | None = None
    for family, _, _, _, place in dict.fromkeys(found):
        try:
            listening.append(socket.create_server(place, family=family))
        except OSError as error:
            if failure is None or error.errno not in _NO_SUCH_FAMILY:
                failure = error
    # `localhost` is ::1 as well on machines without IPv6: what remains will do.
    if failure is not None and (not listening or failure.errno not in _NO_SUCH_FAMILY):
        for each in listening:
            each.close()
        raise failure
    return listening


def check(host: str, numbers: Iterable[int]) -> None:
    """Raises ServerStartError if one of the ports cannot be listened on; port 0 is skipped."""
    for number in numbers:
        if not number:
            continue
        try:
            listening = listen(host, number)
        except socket.gaierror as error:
            raise ServerStartError(f'no such address to listen on: {host}: {error.strerror}') from error
        except OSError as error:
            raise ServerStartError(
                f'port {number} on {host} cannot be used: {os.strerror(error.errno or 0)}. '
                'Choose another, or stop what listens there'
            ) from error
        for each in listening:
            each.close()


def check_socket(path: str) -> None:
    """Raises ServerStartError if a UNIX socket cannot be created at `path`; an empty path is skipped."""
    if not path:
        return
    if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
        raise ServerStartError(
            f'the path of a UNIX socket has {MAX_SOCKET_BYTES} bytes at most. Received: {path}'
        )
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise ServerStartError(f'there is no folder for the socket {path}: make {folder} first')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ServerStartError(f'the socket {path} cannot be made: {folder} may not be written to')


def free(host: str, count: int) -> list[int]:
    """`count` different ports that nobody listens on at this moment."""
    probes = [socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((_bare(host), 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
