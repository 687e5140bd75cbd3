"""Ports: whether they are free, and one that is."""

import os
import socket
from collections.abc import Iterable
from pathlib import Path

from vaiven.serving.errors import ServerStartError

# Of sockaddr_un, with the NUL at the end.
MOST_SOCKET_BYTES = 107


def check(host: str, numbers: Iterable[int]) -> None:
    """Raises ServerStartError if one of the ports cannot be listened on; 0 is no port."""
    for number in numbers:
        if not number:
            continue
        try:
            found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise ServerStartError(f'no such address to listen on: {host}: {error.strerror}') from error
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                probe.listen()
            except OSError as error:
                raise ServerStartError(
                    f'port {number} on {host} cannot be used: {error.strerror}. '
                    'Choose another, or stop what listens there'
                ) from error


def check_socket(path: str) -> None:
    """Raises ServerStartError if a UNIX socket cannot be made at `path`; '' is none."""
    if not path:
        return
    if len(os.fsencode(path)) > MOST_SOCKET_BYTES:
        raise ServerStartError(
            f'the path of a UNIX socket has {MOST_SOCKET_BYTES} bytes at most. Received: {path}'
        )
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise ServerStartError(f'there is no folder for the socket {path}: make {folder} first')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ServerStartError(f'the socket {path} cannot be made: {folder} may not be written to')


def free(host: str, count: int) -> list[int]:
    """`count` different ports that nobody listens on at this moment."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((host, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
