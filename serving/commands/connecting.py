"""Resolves the target of a command: a running server, one that is starting, or a pushed model in this process.

A server that the user named is always used. A pushed model only replaces the server at the default address, and
standard error says so.
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

from vaiven.serving.commands.options import MODEL, Target
from vaiven.serving.commands.pushed_models import PushedModel, newest_with_output, no_model_text
from vaiven.serving.common import running_servers, terminal
from vaiven.serving.common.errors import ServerStartError, ServingError
from vaiven.serving.common.running_servers import Running

# `vaiven serve &` needs some tenths of a second until it is registered as starting.
APPEAR_SECONDS = 1.0
START_SECONDS = 120.0
POLL_SECONDS = 0.05
LOCAL_ADDRESS = re.compile(r'(?:https?://)?(localhost|127(?:\.\d+){3}|\[::1\]):(\d+)/?')


class NoModelError(ServingError):
    """Neither a running server nor a pushed model can answer."""

    exit_status = 1


def resolve_target(target: Target, signature: str, output: str) -> Target:
    """A target with a model that can answer.

    Args:
        target: what the options of the command say.
        signature: name of the signature that will be called.
        output: name of an output that it must have.

    Returns:
        The target with the name of the model, or a target on a pushed model in this process.

    Raises:
        ServingError: there is no such model; the message says what to do.
    """
    if target.server.startswith('saved-model:'):
        return _saved_model_target(target)
    if not wait_for_start(target):
        if target.explicit:
            return target
        return _in_process_target(target, signature, output, f'no server answers at {target.server}')
    match = LOCAL_ADDRESS.fullmatch(target.server)
    # Read only now: while a server starts, its record does not name any models yet.
    server = running_servers.at(int(match[2])) if match is not None else None
    return _server_target(target, server, signature, output)


def wait_for_start(target: Target) -> bool:
    """Waits for a server that is starting on this machine.

    Returns:
        Whether a server listens. A server on another machine is assumed to.
    """
    match = LOCAL_ADDRESS.fullmatch(target.server)
    if match is None:
        return True
    host, port = match[1].strip('[]'), int(match[2])
    if _is_listening(host, port):
        return True
    server = _find_starting_server(port)
    return server is not None and _wait_until_listening(server, host, port)


def _is_listening(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def _find_starting_server(port: int) -> Running | None:
    """The registered server at a port; waits `APPEAR_SECONDS` for one that was started a moment ago."""
    deadline = time.monotonic() + APPEAR_SECONDS
    while (server := running_servers.at(port)) is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return server


def _wait_until_listening(server: Running, host: str, port: int) -> bool:
    """Waits until a starting server listens; returns False if it ends first or takes too long."""
    if sys.stderr.isatty():
        _print_note(f'the server (process {server.pid}) is starting: waiting for it')
    deadline = time.monotonic() + START_SECONDS
    while not _is_listening(host, port):
        if not server.alive() or time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _server_target(target: Target, server: Running | None, signature: str, output: str) -> Target:
    """A model on a listening server; else, unless the user named the server, a pushed model."""
    if (server is None or not server.models) and (target.explicit or target.model):
        # It is not known what the server serves: its reply will say whether it has the model.
        return dataclasses.replace(target, model=target.model or _default_model(signature))
    names = sorted(server.models) if server is not None else []
    if target.model:
        if target.model in names or _server_has(target, target.model):
            return target
        reason = f'the server at {target.server} has no model {target.model!r}{_models_note(names)}'
    else:
        if server and server.models:
            candidates = _models_with_signature(server, signature, output)
        else:
            candidates = [_default_model(signature)]
        for model in candidates:
            if _server_has(target, model):
                if len(names) > 1:
                    _print_note(f'using model {model} of {", ".join(names)}; choose another with --model')
                return dataclasses.replace(target, model=model)
        reason = (
            f'the server at {target.server} has no model with the signature {signature}{_models_note(names)}'
        )
    if target.explicit:
        raise ServingError(f'{reason}: choose another server or model')
    return _in_process_target(target, signature, output, reason)


def _models_with_signature(server: Running, signature: str, output: str) -> list[str]:
    """Names of the models with a signature, the last pushed first; models whose files cannot be read come last."""
    models = []
    for name, base_path in server.models.items():
        newest = _newest_version(Path(base_path))
        if newest is None:
            models.append((0.0, name))
        elif newest.has_output(signature, output):
            models.append((newest.path.stat().st_mtime, name))
    return [name for _, name in sorted(models, reverse=True)]


def _newest_version(folder: Path) -> PushedModel | None:
    from vaiven.serving.rollout.serving_folder import versions

    numbers = versions(folder)
    return PushedModel(folder, numbers[0]) if numbers else None


def _server_has(target: Target, model: str) -> bool:
    """Whether the server has a model of this name; True if it cannot be asked, as the request will report it."""
    from vaiven.serving.client.errors import NotFoundError

    with target.client() as client:
        try:
            client.status(model)
        except NotFoundError:
            return False
        except ServingError:
            return True
    return True


def _in_process_target(target: Target, signature: str, output: str, reason: str) -> Target:
    """The newest pushed model that can answer, to be loaded in this process.

    Args:
        target: what the options of the command say.
        signature: name of the signature that will be called.
        output: name of an output that it must have.
        reason: why the server cannot answer, for the messages.

    Raises:
        NoModelError: there is no such model.
        ServerStartError: a library to run the model is missing.
    """
    if target.label is not None:
        raise NoModelError(
            f'{reason}, and only a server knows the label {target.label!r}: run `vaiven serve`'
        )
    model = newest_with_output(target.model, target.version, signature, output)
    if model is None:
        absent = no_model_text(target.model, target.version, signature)
        raise NoModelError(f'{reason}, and {absent}: run `vaiven run`, or name a server with --server')
    shown_folder = os.path.relpath(model.folder)
    from vaiven.serving.common import installed

    if missing := installed.missing():
        raise ServerStartError(
            f'{reason}, and loading {shown_folder} in this process needs {", ".join(missing)} '
            "(pip install 'vaiven[server]'): or run `vaiven serve` elsewhere and name that server with --server"
        )
    _print_note(f'{reason}: using version {model.version} of {shown_folder} in this process')
    path = model.folder if target.version is None else model.path
    return dataclasses.replace(
        target,
        server=f'saved-model:{path.absolute()}',
        model=model.folder.name,
        version=None,
        connection={},
    )


def _saved_model_target(target: Target) -> Target:
    """A target `saved-model:FOLDER` with the name of the model, which is that of its base path."""
    if target.model:
        return target
    from vaiven.serving.common.version_folders import is_saved_model

    folder = Path(target.server.removeprefix('saved-model:')).absolute()
    base_path = folder.parent if folder.name.isdecimal() and is_saved_model(folder) else folder
    return dataclasses.replace(target, model=base_path.name)


def _default_model(signature: str) -> str:
    """The name that the presets give to a model with this signature."""
    return 'novel' if signature in ('generate', 'score') else MODEL


def _models_note(names: Sequence[str]) -> str:
    return f' (it has: {", ".join(names)})' if names else ''


def _print_note(line: str) -> None:
    print(terminal.folded(f'vaiven: {line}', sys.stderr), file=sys.stderr, flush=True)
