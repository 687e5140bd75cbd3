"""A process that has imported what its children need, and forks them on request.

Run as `python fork_server.py SOCKET MODULE…`. A request is four bytes of length, sent along with the file descriptors
that the child gets, and a JSON object; the answer is the child's process id in four bytes. The child then runs what
`python -m …` or `python -c …` would run, in the main module, and ends as the interpreter ends.
"""

import fcntl
import importlib
import io
import json
import os
import runpy
import signal
import socket
import struct
import sys
import time
import types
from typing import Any

MAX_DESCRIPTORS = 64
# Received descriptors are first moved out of the way of the numbers that they shall have.
FIRST_SPARE_DESCRIPTOR = 1000


def load(modules: list[str]) -> dict[str, str]:
    """Imports modules; returns the environment variables that they set."""
    before = dict(os.environ)
    for name in modules:
        module, _, function = name.partition(':')
        loaded = importlib.import_module(module)
        if function:
            getattr(loaded, function)()
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


def serve(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Answers requests until the other side has gone; returns only in a child, with its request."""
    while True:
        head, descriptors, _, _ = socket.recv_fds(connection, 4, MAX_DESCRIPTORS)
        if not head:
            os._exit(0)
        request = json.loads(_read(connection, *struct.unpack('!I', head)))
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            # The process between ends at once, so that the child becomes one of the nearest subreaper: the requester.
            parent, child = os.getpid(), os.fork()
            if child == 0:
                while os.getppid() == parent:
                    time.sleep(0.001)
                os.close(reading)
                os.close(writing)
                connection.close()
                return request, descriptors
            os.write(writing, struct.pack('!I', child))
            os._exit(0)
        os.waitpid(between, 0)
        connection.sendall(os.read(reading, 4))
        for number in (reading, writing, *descriptors):
            os.close(number)


def _read(connection: socket.socket, size: int) -> bytes:
    content = b''
    while len(content) < size:
        content += connection.recv(size - len(content))
    return content


def become(request: dict[str, Any], descriptors: list[int], set_by_imports: dict[str, str]) -> None:
    """Makes this process what the request says: descriptors, environment, folder, session, streams."""
    if request['start_new_session']:
        os.setsid()
    spare = [fcntl.fcntl(number, fcntl.F_DUPFD, FIRST_SPARE_DESCRIPTOR) for number in descriptors]
    for number in descriptors:
        os.close(number)
    for number, target in zip(spare, request['descriptors'], strict=True):
        os.dup2(number, target, inheritable=True)
        os.close(number)
    os.environ.clear()
    os.environ.update({**set_by_imports, **request['environment']})
    os.chdir(request['folder'])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(open(0, 'rb', closefd=False), 'utf-8')  # noqa: SIM115 (stays open)
    sys.stdout = sys.__stdout__ = _stream(1, 'strict', os.isatty(1))
    sys.stderr = sys.__stderr__ = _stream(2, 'backslashreplace', True)


def _stream(number: int, errors: str, line_buffering: bool) -> io.TextIOWrapper:
    file = open(number, 'wb', closefd=False)  # noqa: SIM115 (stays open)
    return io.TextIOWrapper(file, 'utf-8', errors, line_buffering=line_buffering)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the requester ends us by closing its socket
    connection = socket.socket(fileno=int(sys.argv[1]))
    set_by_imports = load(sys.argv[2:])
    request, descriptors = serve(connection)
    become(request, descriptors, set_by_imports)
    sys.argv[1:] = request['arguments']
    if request['kind'] == '-m':
        sys.path[0] = os.getcwd()
        runpy.run_module(request['code'], run_name='__main__', alter_sys=True)
    else:
        sys.path[0] = ''
        sys.argv[0] = '-c'
        # A module without a file, or TensorFlow would look for the source of functions in this one.
        sys.modules['__main__'] = types.ModuleType('__main__')
        exec(compile(request['code'], '<string>', 'exec'), vars(sys.modules['__main__']))


if __name__ == '__main__':
    main()
