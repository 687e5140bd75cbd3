"""ProfilerService: profiles TensorFlow for a given time, for the profile page of TensorBoard."""

import asyncio
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path
from vaiven.serving.common.peers import is_local
from vaiven.serving.common.status import Code, StatusError, failed_precondition, invalid_argument
from vaiven.serving.server import runtime
from vaiven.serving.wire import messages

# The profile of a busy server grows with its duration, and is in memory as a whole before it is written.
MAX_DURATION_MS = 60_000
_ProfileResponse = messages.message_class('tensorflow.ProfileResponse')
_TerminateResponse = messages.message_class('tensorflow.TerminateResponse')


class Profiler:
    """The methods of the service. TensorFlow allows one profile at a time."""

    def __init__(self, *, local_only: bool = True) -> None:
        """
        Args:
            local_only: whether only callers on this machine may have profiles written to its disk. False is safe if
                every caller needs an admin token.
        """
        self._local_only = local_only
        self._stops: dict[str, asyncio.Event] = {}

    async def profile(self, request: Any, call: Any) -> Any:
        """Profiles for `duration_ms`, or until `terminate`.

        The profile is written to `<repository_root>/<session_id>/<host_name>.xplane.pb`, and missing folders are
        created: TensorBoard sends `LOGDIR/plugins/profile` as the root, which does not exist before the first profile.
        Without a root, the profile is in the response.

        Args:
            request: a ProfileRequest.
            call: how the request arrived.

        Raises:
            StatusError: INVALID_ARGUMENT, PERMISSION_DENIED for a root from a remote caller, or FAILED_PRECONDITION
                while another profile is running.
        """
        if not 1 <= request.duration_ms <= MAX_DURATION_MS:
            raise invalid_argument(
                f'duration_ms must be between 1 and {MAX_DURATION_MS}. Received: {request.duration_ms}'
            )
        target = self._target(request, call.peer())
        if self._stops:
            raise failed_precondition('another profile is running: wait until it ends, or terminate it')
        stop = self._stops[request.session_id] = asyncio.Event()
        try:
            data = await self._collect(request, stop)
        finally:
            del self._stops[request.session_id]
        response = _ProfileResponse(empty_trace=not data)
        if target is None:
            response.tool_data.add(name='xplane.pb', data=data)
        else:
            await asyncio.to_thread(_save, target, data)
        return response

    async def _collect(self, request: Any, stop: asyncio.Event) -> bytes:
        """The serialized XSpace; empty if nothing was traced."""
        profiler = runtime.tensorflow().profiler.experimental
        levels = {
            name: getattr(request.opts, name)
            for name in ('host_tracer_level', 'python_tracer_level', 'device_tracer_level')
            if request.HasField('opts')
        }
        options = profiler.ProfilerOptions(**levels)
        # TensorFlow writes profiles to folders only.
        with tempfile.TemporaryDirectory(prefix='vaiven-profile-') as folder:
            try:
                await asyncio.to_thread(profiler.start, folder, options)
            except Exception as error:
                raise StatusError(Code.UNAVAILABLE, f'the profiler does not start: {error}') from error
            try:
                await asyncio.wait_for(stop.wait(), request.duration_ms / 1000)
            except TimeoutError:
                pass
            finally:
                # Also if the caller hangs up: a profiler that keeps running slows every request down.
                await asyncio.shield(asyncio.to_thread(profiler.stop))
            files = list(Path(folder).rglob('*.xplane.pb'))
            return await asyncio.to_thread(files[0].read_bytes) if files else b''

    async def terminate(self, request: Any, call: Any) -> Any:
        """Ends the profile of the session in the request now, if there is one."""
        if request.session_id in self._stops:
            self._stops[request.session_id].set()
        return _TerminateResponse()

    async def monitor(self, request: Any, call: Any) -> Any:
        """Raises StatusError, UNIMPLEMENTED."""
        raise StatusError(Code.UNIMPLEMENTED, 'unimplemented.')

    def _target(self, request: Any, peer: str) -> Path | None:
        """The file to write; None if the request names no root."""
        if not request.repository_root:
            return None
        session, host = request.session_id, request.host_name or socket.gethostname()
        # Both become parts of the path.
        for name, value in (('session_id', session), ('host_name', host)):
            if not value or value in ('.', '..') or not set(value).isdisjoint('/\\\0'):
                raise invalid_argument(f'{name} must be a name without slashes. Received: {value!r}')
        root = _root(request.repository_root)
        if self._local_only and not is_local(peer):
            raise StatusError(
                Code.PERMISSION_DENIED,
                "only callers on the server's machine may name a repository_root: leave it out and take the trace "
                'from the response, or start the server with --admin_tokens_file',
            )
        return Path(root / session / f'{host}.xplane.pb')


def _root(text: str) -> Path:
    try:
        root = local_path(text, 'repository_root')
    except ServingError as error:
        raise invalid_argument(str(error)) from error
    if '\0' in text or not root.is_absolute() or '..' in root.parts:
        raise invalid_argument(f'repository_root must be an absolute path without "..". Received: {text!r}')
    existing = next(folder for folder in (root, *root.parents) if os.path.lexists(folder))
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise invalid_argument(
            f'repository_root must be a folder that the server can write. Received: {text!r}'
        )
    return root


def _save(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise failed_precondition(f'the profile cannot be written: {error}') from error
