"""Deadlines for connections of http.client, which hold however slowly a server reads or writes."""

import contextlib
import io
import socket
import time
from http.client import HTTPConnection
from typing import Any


class Timed:
    """Wraps the socket of a connection; every wait ends at one deadline."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self.deadline = deadline  # on the monotonic clock
        self._sock = sock

    def wait(self) -> None:
        """Limits the next wait to the time that is left. Raises TimeoutError if the deadline has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError('timed out')
        self._sock.settimeout(left)

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            self.wait()
            left = left[self._sock.send(left) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reads(self, self._sock.makefile(mode, 0)))

    def shutdown(self) -> None:
        """Closes the socket, which also ends the waits of other threads."""
        with contextlib.suppress(OSError):  # the server was first
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # of TLS too, under the reader's feet

    def close(self) -> None:
        self._sock.close()


class _Reads(io.RawIOBase):
    def __init__(self, timed: Timed, raw: Any) -> None:
        self._timed = timed
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._timed.wait()
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


def within(connection: HTTPConnection, deadline: float) -> None:
    """Sets the deadline of what `connection` does next, on the monotonic clock; opens it if it is closed.

    Raises OSError, and TimeoutError where nothing is left.
    """
    if not isinstance(connection.sock, Timed):
        connection.timeout = max(0.001, deadline - time.monotonic())
        connection.connect()
        connection.sock = Timed(connection.sock, deadline)
    connection.sock.deadline = deadline
