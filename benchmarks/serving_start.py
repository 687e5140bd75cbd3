"""Seconds from the start of the server to AVAILABLE, and its memory, compared with bare TensorFlow processes."""

import json
import time
from typing import Any

from benchmarks import report, serving_figures
from benchmarks.serving_processes import Child, memory
from benchmarks.serving_setup import Bench
from vaiven.serving.client import Client
from vaiven.serving.server.server_process import ServerProcess

MAX_SECONDS_MORE, MAX_MEGABYTES_MORE = 3.0, 150.0


def start_and_memory(bench: Bench) -> dict[str, Any]:
    """Measures in turns: importing TensorFlow; the server and one request; the model without a server."""
    subject = bench.main_subject
    seconds: dict[str, list[float]] = {'import': [], 'server': []}
    sizes: dict[str, list[dict[str, float]]] = {'server': [], 'bare': []}
    with Child('serving_models', 'import') as child:
        child.read()  # not timed: the first reads the libraries from the disk
    for _ in range(bench.plan.starts):
        began = time.monotonic()
        with Child('serving_models', 'import') as child:
            child.read()
            imported = time.monotonic() - began
        began = time.monotonic()
        with ServerProcess(subject.name, subject.folder, timeout=300) as server:
            available = time.monotonic() - began
            with Client(server.grpc_address) as client:
                client.predict(subject.name, subject.inputs[0])
            served = memory(server.pid)
        with Child('serving_models', 'bare', str(subject.newest), json.dumps(subject.inputs[0])) as child:
            child.read()
            bare = memory(child.pid)
        seconds['import'].append(imported)
        seconds['server'].append(available)
        sizes['server'].append(served)
        sizes['bare'].append(bare)
        report.say(
            f'    import {imported:5.1f} s, server AVAILABLE after {available:5.1f} s; '
            f'resident: server {served["rss"]:.0f} MB, bare {bare["rss"]:.0f} MB'
        )
    more = [ours - theirs for ours, theirs in zip(seconds['server'], seconds['import'], strict=True)]
    ratios = {
        'seconds to AVAILABLE − seconds of the import': serving_figures.judged(
            report.spread(more), 'at most', MAX_SECONDS_MORE
        ),
        'seconds to AVAILABLE / seconds of the import': serving_figures.ratio(
            seconds['server'], seconds['import']
        ),
    }
    extra = [a['rss'] - b['rss'] for a, b in zip(sizes['server'], sizes['bare'], strict=True)]
    ratios['resident memory of server − bare, MB'] = serving_figures.judged(
        report.spread(extra), 'at most', MAX_MEGABYTES_MORE
    )
    return {
        'model': subject.name,
        'seconds': {name: report.spread(values) for name, values in seconds.items()},
        'megabytes': {
            name: {kind: report.spread([each[kind] for each in values]) for kind in ('rss', 'pss')}
            for name, values in sizes.items()
        },
        'ratios': ratios,
    }  # fmt: skip
