"""A server of raw bytes, for what no good server says."""

import contextlib
import socket
import threading
from collections.abc import Callable


class Listening:
    """A port; `answer` gets each connection, in a thread of its own, after the head of a first request was read."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self.connections = 0
        self._answer = answer
        self._socket = socket.create_server(('127.0.0.1', 0), backlog=256)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the end
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if head(connection):
                self._answer(connection)

    def __enter__(self) -> 'Listening':
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()


def head(connection: socket.socket) -> bytes:
    """What comes until an empty line, or until the end."""
    got = b''
    while b'\r\n\r\n' not in got and (more := connection.recv(65536)):
        got += more
    return got


def page(body: bytes, status: str = '200 OK') -> bytes:
    """An answer over HTTP."""
    return f'HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n'.encode() + body


def saying(body: bytes, status: str = '200 OK') -> Callable[[socket.socket], None]:
    """Answers each request of a connection so."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(page(body, status))
        while head(connection):
            connection.sendall(page(body, status))

    return answer
