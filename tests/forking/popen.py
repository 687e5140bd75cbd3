"""`subprocess.Popen` that forks Python programs out of a process that has imported their libraries already.

The import of TensorFlow takes 4 seconds of a core and that of TFX 9, and the tests start hundreds of such programs. A
forked program has its own process id, is a child of this process, and differs from a started one only in its history.
Tests of how a process starts use the fixture `started_processes`.
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

FORK_SERVER = Path(__file__).with_name('fork_server.py')
SERVING = ('vaiven.serving.server.runtime:tensorflow', 'vaiven.serving.server.main')
PIPELINE = (
    'vaiven.serving.server.runtime:tensorflow',
    'vaiven.pipeline.main_job',
    'vaiven.pipeline.graph',
    'vaiven.models.training.hardware',
    'tensorflow_transform.beam',
    'tensorflow_data_validation',
    'tensorflow_model_analysis',
)
# What the fork server of a program imports, by the first words after the interpreter.
MODULES: dict[tuple[str, ...], tuple[str, ...]] = {
    ('-m', 'vaiven.serving.server'): SERVING,
    ('-m', 'vaiven.pipeline.cli', 'serve'): SERVING,
    ('-m', 'benchmarks.rollout_models'): SERVING,
    ('-m', 'tests.models.killed_training'): SERVING,
    ('-m', 'tests.models.two_devices'): SERVING,
    ('-m', 'vaiven.pipeline.cli', 'run'): PIPELINE,
    ('-m', 'vaiven.pipeline.cli', 'plan'): PIPELINE,
}
# By these, in the program and at the start of its argument, programs after `-c` are recognised.
IMPORT = '\nimport tensorflow as tf\n'
IN_PROCESS = 'saved-model:'
PR_SET_CHILD_SUBREAPER = 36

StartingPopen = subprocess.Popen
_lock = threading.Lock()


class ForkServer:
    """A child process that forks others; it starts with the first request."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._modules = modules
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Returns the process id of a new child of this process; for both arguments see `fork_server`."""
        data = json.dumps(request).encode()
        with _lock:
            connection = self._connection or self._start()
            _set_subreaper(True)
            try:
                socket.send_fds(connection, [struct.pack('!I', len(data))], descriptors)
                connection.sendall(data)
                answer = connection.recv(4)
            finally:
                _set_subreaper(False)
        assert answer, f'the fork server with {self._modules} has ended'
        return int(struct.unpack('!I', answer)[0])

    def close(self) -> None:
        """Ends the fork server, not its children."""
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.wait()
            self._connection = None

    def _start(self) -> socket.socket:
        self._connection, other = socket.socketpair()
        with other:
            number = other.fileno()
            self._process = StartingPopen(
                [sys.executable, str(FORK_SERVER), str(number), *self._modules],
                pass_fds=(number,),
                env={
                    **os.environ,
                    'CUDA_VISIBLE_DEVICES': '',
                    'GRPC_ENABLE_FORK_SUPPORT': 'false',
                    'GRPC_VERBOSITY': 'NONE',
                    'TF_CPP_MIN_LOG_LEVEL': '3',
                },
            )
        return self._connection


_servers = {modules: ForkServer(modules) for modules in set(MODULES.values())}


def _set_subreaper(wanted: bool) -> None:
    """Makes this process the parent of children whose parent ends, or no longer (Linux, prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'prctl')


class ForkingPopen(subprocess.Popen):  # type: ignore[type-arg] (no generic class at run time)
    """Forks the programs of `MODULES`, and starts all others."""

    def _execute_child(self, args: Any, *rest: Any) -> None:
        executable, preexec_fn, _, pass_fds, cwd, env, _, _, shell, *pipes = rest[:15]
        _, gid, gids, uid, umask, start_new_session, process_group = rest[15:]
        special = executable, preexec_fn, shell or None, gid, gids, uid
        words = [] if isinstance(args, str | bytes | os.PathLike) else [os.fspath(word) for word in args]
        modules = _modules(words)
        if (
            modules is None
            or any(value is not None for value in special)
            or (umask, process_group) != (-1, -1)
        ):
            super()._execute_child(args, *rest)  # type: ignore[misc] (private)
            return
        child_input, _, _, child_output, _, child_error = pipes
        standard = enumerate((child_input, child_output, child_error))
        self.pid = _servers[modules].fork(
            {
                'kind': words[1],
                'code': words[2],
                'arguments': words[3:],
                'environment': dict(os.environ if env is None else env),
                'folder': os.fspath(cwd or os.getcwd()),
                'start_new_session': start_new_session,
                'descriptors': [0, 1, 2, *pass_fds],
            },
            [*(own if own >= 0 else number for number, own in standard), *pass_fds],
        )
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined] (private)


def _modules(words: list[str]) -> tuple[str, ...] | None:
    if words[:1] != [sys.executable] or len(words) < 3:
        return None
    if words[1] == '-c' and (IMPORT in words[2] or ''.join(words[3:4]).startswith(IN_PROCESS)):
        return SERVING
    return MODULES.get(tuple(words[1:3])) or MODULES.get(tuple(words[1:4]))


def close() -> None:
    """Ends the fork servers."""
    for server in _servers.values():
        server.close()
