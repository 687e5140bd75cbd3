"""Ports: whether they are free, and one that is."""

import socket
from collections.abc import Iterable

from vaiven.serving.errors import ServerStartError


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
