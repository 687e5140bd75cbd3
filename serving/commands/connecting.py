"""What answers a command: the server that was named, one that is starting, or the newest pushed model in this process.

A server that somebody named is asked, whatever it says. Only at the default address, which nobody chose, is another
way looked for; and that is said on standard error.
"""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from vaiven.serving.commands.options import MODEL, Where
from vaiven.serving.commands.pushed_models import Pushed, pushed
from vaiven.serving.common import running_servers, terminal
from vaiven.serving.common.errors import ServerStartError, ServingError
from vaiven.serving.common.running_servers import Running

# `vaiven serve &` needs some tenths of a second before it is known that it starts.
APPEAR_SECONDS = 1.0
START_SECONDS = 120.0
LOOK_SECONDS = 0.05
LOCAL = re.compile(r'(?:https?://)?(localhost|127(?:\.\d+){3}|\[::1\]):(\d+)/?')


class NoModelError(ServingError):
    """Nothing that runs or was pushed here can answer."""

    exit_status = 1


def reachable(place: Where, signature: str, output: str) -> Where:
    """Where to ask, with a model that can answer.

    Args:
        place: what the command was told.
        signature: what will be asked.
        output: what the answer must hold.

    Raises:
        ServingError: nothing can answer; says what to do.
    """
    if place.server.startswith('saved-model:'):
        return _of_saved_model(place)
    if not wait_for_start(place):
        return place if place.chosen else _here(place, signature, output, _nobody(place))
    match = LOCAL.fullmatch(place.server)
    # Its record now: the first one of a server that is starting names no models yet.
    server = running_servers.at(int(match[2])) if match is not None else None
    return _on_server(place, server, signature, output)


def wait_for_start(place: Where) -> bool:
    """Waits for a server that is starting on this machine; whether one listens, as far as that can be told here."""
    match = LOCAL.fullmatch(place.server)
    if match is None:
        return True
    host, port = match[1].strip('[]'), int(match[2])
    if _listens(host, port):
        return True
    server = _appearing(port)
    return server is not None and _started(server, host, port)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def _appearing(port: int) -> Running | None:
    """The server that is known at this port; one that was started a moment ago gets the time to say so."""
    deadline = time.monotonic() + APPEAR_SECONDS
    while (server := running_servers.at(port)) is None and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return server


def _started(server: Running, host: str, port: int) -> bool:
    """Waits until a server that is starting listens; whether it does."""
    if sys.stderr.isatty():
        _say(f'the server (process {server.pid}) is starting: waiting for it')
    deadline = time.monotonic() + START_SECONDS
    while not _listens(host, port):
        if not server.alive() or time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _on_server(place: Where, server: Running | None, signature: str, output: str) -> Where:
    """A model on a server that listens; else, where nobody chose that server, a model here."""
    if (server is None or not server.models) and (place.chosen or place.model):
        # Nobody knows what it serves: it says itself whether it has the model.
        return dataclasses.replace(place, model=place.model or _usual(signature))
    names = sorted(server.models) if server is not None else []
    if place.model:
        if place.model in names or _has(place, place.model):
            return place
        reason = f'the server at {place.server} has no model {place.model!r}{_it_has(names)}'
    else:
        candidates = _able(server, signature, output) if server and server.models else [_usual(signature)]
        for model in candidates:
            if _has(place, model):
                if len(names) > 1:
                    _say(f'asking {model} of {", ".join(names)}: --model names another')
                return dataclasses.replace(place, model=model)
        reason = f'the server at {place.server} has no model with the signature {signature}{_it_has(names)}'
    if place.chosen:
        raise ServingError(f'{reason}: name the right server or model')
    return _here(place, signature, output, reason)


def _able(server: Running, signature: str, output: str) -> list[str]:
    """The names of its models that can answer, the one pushed to last first; those that cannot be looked at last."""
    found = []
    for name, base_path in server.models.items():
        newest = _newest(Path(base_path))
        if newest is None:
            found.append((0.0, name))
        elif newest.answers(signature, output):
            found.append((newest.path.stat().st_mtime, name))
    return [name for _, name in sorted(found, reverse=True)]


def _newest(folder: Path) -> Pushed | None:
    from vaiven.serving.rollout.serving_folder import versions

    numbers = versions(folder)
    return Pushed(folder, numbers[0]) if numbers else None


def _has(place: Where, model: str) -> bool:
    """Whether the server has a model of this name; where it does not say, the request itself will."""
    from vaiven.serving.client.errors import NotFoundError

    with place.client() as client:
        try:
            client.status(model)
        except NotFoundError:
            return False
        except ServingError:
            return True
    return True


def _here(place: Where, signature: str, output: str, reason: str) -> Where:
    """The newest pushed model that can answer, in this process."""
    if place.label is not None:
        raise NoModelError(f'{reason}, and only a server knows the label {place.label!r}: run `vaiven serve`')
    found = pushed(place.model, place.version)
    able = [one for one in found if one.answers(signature, output)]
    if not able:
        named = f'model {place.model!r}' if place.model else 'model'
        named += '' if place.version is None else f' of version {place.version}'
        lack = f'no {named} with the signature {signature} was pushed below {Path("vaiven-runs")}'
        raise NoModelError(f'{reason}, and {lack}: run `vaiven run`, or name a server with --server')
    chosen = able[0]
    shown = os.path.relpath(chosen.folder)
    from vaiven.serving.common import installed

    if missing := installed.missing():
        raise ServerStartError(
            f'{reason}, and using {shown} in this process needs {", ".join(missing)} '
            "(pip install 'vaiven[server]'): run `vaiven serve` where these are, and name it with --server"
        )
    _say(f'{reason}: using version {chosen.version} of {shown} in this process')
    address = chosen.folder if place.version is None else chosen.path
    return dataclasses.replace(
        place,
        server=f'saved-model:{address.absolute()}',
        model=chosen.folder.name,
        version=None,
        connection={},
    )


def _of_saved_model(place: Where) -> Where:
    """The model in a folder is called like the folder."""
    if place.model:
        return place
    from vaiven.serving.common.version_folders import is_saved_model

    folder = Path(place.server.removeprefix('saved-model:')).absolute()
    named = folder.parent if folder.name.isdecimal() and is_saved_model(folder) else folder
    return dataclasses.replace(place, model=named.name)


def _usual(signature: str) -> str:
    """The name that our presets give to a model which answers this."""
    return 'novel' if signature == 'generate' else MODEL


def _nobody(place: Where) -> str:
    return f'no server answers at {place.server}'


def _it_has(names: Sequence[str]) -> str:
    return f' (it has: {", ".join(names)})' if names else ''


def _say(line: str) -> None:
    print(terminal.folded(f'vaiven: {line}', sys.stderr), file=sys.stderr, flush=True)
