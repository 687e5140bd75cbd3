"""The model server compared with an empty service, FastAPI, and its own REST port."""

import dataclasses
from contextlib import ExitStack
from typing import Any

from benchmarks import serving_figures
from benchmarks.serving_load import Job
from benchmarks.serving_peers import ECHO_METHOD
from benchmarks.serving_processes import Child, ChildError, start_together
from benchmarks.serving_setup import STATUS, Bench, Subject
from benchmarks.serving_turns import Contestant, in_turns
from vaiven.serving.server.server_process import ServerProcess


def against_echo(bench: Bench) -> dict[str, Any]:
    """Compares the trivial model and an empty call of the server with two empty services; all get the same bytes.

    The empty call is GetModelStatus, whose request is the ModelSpec of the Predict request.
    """
    levels = bench.plan.callers
    with ExitStack() as stack:
        peers = {
            name: stack.enter_context(Child('serving_peers', kind))
            for name, kind in (('threads', 'threads'), ('asyncio', 'echo'))
        }
        server = stack.enter_context(_server(bench.trivial))
        job = bench.trivial.grpc(server.grpc_address)
        contestants = {
            'embedded': Contestant(job, server.pid),
            'embedded status': Contestant(
                dataclasses.replace(job, payloads=[bench.trivial.status()], method=STATUS), server.pid
            ),
        }
        for name, peer in peers.items():
            other = dataclasses.replace(job, address=peer.read()['address'], method=ECHO_METHOD)
            contestants[name] = Contestant(other, peer.pid)
        series = in_turns(bench, contestants, levels)
    ratios = {}
    for callers in levels:
        for name in peers:
            ratios[f'Predict / empty {name} at {callers}'] = series.ratio('embedded', name, callers)
        ratios[f'status / empty threads at {callers}'] = serving_figures.judged(
            series.ratio('embedded status', 'threads', callers), 'at least', 0.8
        )
        ratios[f'Predict / empty threads, CPU a request, at {callers}'] = series.ratio(
            'embedded', 'threads', callers, 'server_cpu_ms'
        )
    return {'points': series.figures(), 'failures': series.failures, 'ratios': ratios}


# Requests a second compared with each peer, by callers.
PEER_TARGETS = {'fastapi': {1: 1.5, 32: 2.7}, 'onnx': {1: 0.85, 32: 1.7}, 'minilm': {1: 1.0, 32: 1.0}}


def against_fastapi(bench: Bench) -> dict[str, Any]:
    """Compares the sentiment model, one sentence per request, batching off and on, with FastAPI and uvicorn.

    Batching is that of `vaiven serve`. The peers run the SavedModel, the same network in ONNX Runtime, and MiniLM.
    """
    subject = bench.sentiment
    assert subject is not None
    contestants: dict[str, Contestant] = {}
    with ExitStack() as stack:
        peers = {
            name: stack.enter_context(
                Child(
                    'serving_peers', name, str(subject.newest), python=bench.peer_python,
                    environment={'PYTHONPATH': bench.peer_path} if bench.peer_path else {},
                )
            )
            for name in PEER_TARGETS
        }  # fmt: skip
        server = stack.enter_context(_server(subject))
        contestants['embedded'] = Contestant(subject.grpc(server.grpc_address), server.pid)
        batching = stack.enter_context(_server(subject, automatic_batching=True))
        contestants['embedded batching'] = Contestant(subject.grpc(batching.grpc_address), batching.pid)
        facts = {name: _peer_facts(bench, name, peer) for name, peer in peers.items()}
        for name, found in facts.items():
            if found is not None:
                contestants[name] = Contestant(Job(found['address'], subject.bodies()), peers[name].pid)
        series = in_turns(bench, contestants, (1, 32))
    ratios: dict[str, Any] = {}
    for name in [name for name in peers if name in contestants]:
        for ours in ('embedded', 'embedded batching'):
            for callers, target in PEER_TARGETS[name].items():
                figures = series.ratio(ours, name, callers)
                ratios[f'{ours} / {name} at {callers}'] = serving_figures.judged(figures, 'at least', target)
    for callers in (1, 32):
        ratios[f'batching / none at {callers}'] = series.ratio('embedded batching', 'embedded', callers)
    return {'points': series.figures(), 'failures': series.failures, 'peers': facts, 'ratios': ratios}


def rest_against_grpc(bench: Bench) -> dict[str, Any]:
    """Compares both ports of one server at 32 callers."""
    points: dict[str, Any] = {}
    failures: dict[str, str] = {}
    ratios: dict[str, Any] = {}
    subjects = [subject for subject in (bench.trivial, bench.sentiment) if subject is not None]
    with ExitStack() as stack:
        servers = [_server(subject) for subject in subjects]
        start_together(stack, servers)
        for subject, server in zip(subjects, servers, strict=True):
            contestants = {
                f'{subject.name} {kind}': Contestant(job, server.pid)
                for kind, job in (
                    ('gRPC', subject.grpc(server.grpc_address)), ('REST', subject.rest(server.rest_url)),
                )
            }  # fmt: skip
            series = in_turns(bench, contestants, (32,))
            points |= series.figures()
            failures |= series.failures
            figures = series.ratio(f'{subject.name} gRPC', f'{subject.name} REST', 32)
            ratios[f'{subject.name}: gRPC / REST at 32'] = serving_figures.judged(figures, 'at most', 2.0)
    return {'points': points, 'failures': failures, 'ratios': ratios}


def _server(subject: Subject, **flags: object) -> ServerProcess:
    return ServerProcess(subject.name, subject.folder, flags=flags, timeout=300)


def _peer_facts(bench: Bench, name: str, peer: Child) -> dict[str, Any] | None:
    try:
        facts = peer.read()
    except ChildError as error:
        bench.skipped[name] = str(error)
        return None
    if 'missing' in facts:
        bench.skipped[name] = facts['missing']
        return None
    return facts
