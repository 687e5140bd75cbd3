"""The gateway on loopback: the same requests directly and through it, in turns; shares; failures during changes.

    python -m benchmarks.gateway [--quick] [--model DIR]

Server, gateway and callers are separate processes. Both paths get the same bytes, except that the gateway adds a label.
A trivial model shows the maximum relative cost of the gateway, the sentiment model the cost with a realistic load.
"""

import asyncio
import base64
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import grpc.aio

from benchmarks import options, report, serving_figures, serving_setup, serving_switches
from benchmarks.serving_load import Job
from benchmarks.serving_processes import Child, ChildError, Load
from benchmarks.serving_setup import PREDICT, QUICK, Bench, Plan, Subject
from benchmarks.serving_turns import Contestant, in_turns
from vaiven.serving.client import Client
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import WATCH_SECONDS, Split, write
from vaiven.serving.gateway.gateway_process import GatewayProcess
from vaiven.serving.rollout import serving_folder as serving_folders
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

ADDED_MS, THROUGHPUT, POINTS = 0.5, 0.5, 1.0
LEVELS = (1, 8, 32)
CANARY = 10
KEYS, QUICK_KEYS = 40_000, 10_000
CALLERS = 8
STEPS = (0, 5, 25, 100)


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Fewer seconds and repeats; the same code.')
@options.model_option
def main(quick: bool, model: Path | None) -> None:
    started = time.monotonic()
    options.interrupt_on_sigterm()
    plan = QUICK if quick else Plan()
    try:
        model = model or serving_folders.newest()
        with ExitStack() as stack:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='vaiven-benchmark-')))
            with Child('serving_models', 'trivial', str(root / 'trivial')) as child:
                child.read()
            load = Load()
            stack.callback(load.stop)
            subjects = [serving_setup.trivial(root / 'trivial')]
            if model is not None:
                subjects.append(serving_setup.sentiment(model.absolute()))
            else:
                report.say(
                    'the sentiment model is left out: none pushed below vaiven-runs/, and no --model DIR'
                )
            bench = Bench(plan, root, load, subjects[0], None, '', '')
            parts = {subject.name: speed(bench, subject) for subject in subjects}
            parts['changes'] = changes(bench, QUICK_KEYS if quick else KEYS)
    except (ServingError, ChildError) as error:
        raise click.ClickException(str(error)) from error
    for part, result in parts.items():
        for what, figures in result['ratios'].items():
            report.say(f'  {part}, {what}: {serving_figures.text(figures)}')
    report.conclude(
        {
            'benchmark': 'gateway', 'quick': quick, 'plan': vars(plan), 'parts': parts,
            'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def speed(bench: Bench, subject: Subject) -> dict[str, Any]:
    """Measures latency and throughput of both ports, directly and through the gateway."""
    with ExitStack() as stack:
        server, gateway, _ = both(stack, bench.folder / f'speed-{subject.name}', subject, {1})
        ways: dict[str, dict[str, Contestant]] = {}
        for port, job in (('gRPC', subject.grpc), ('REST', subject.rest)):
            addresses = [each.grpc_address if port == 'gRPC' else each.rest_url for each in (server, gateway)]
            jobs: list[Job] = [job(address) for address in addresses]
            pids = (server.pid, gateway.process.pid)
            names = (f'{port} direct', f'{port} gateway')
            ways[port] = {name: Contestant(*each) for name, *each in zip(names, jobs, pids, strict=True)}
        points: dict[str, Any] = {}
        failures: dict[str, str] = {}
        ratios: dict[str, Any] = {}
        for port, contestants in ways.items():
            report.say(f'{subject.name}, {port}')
            series = in_turns(bench, contestants, LEVELS)
            points |= series.figures()
            failures |= series.failures
            direct, through = (series.values[name] for name in contestants)
            for callers in LEVELS:
                pairs = zip(through[callers]['p50_ms'], direct[callers]['p50_ms'], strict=True)
                added = report.spread([ours - theirs for ours, theirs in pairs])
                ratio = series.ratio(f'{port} gateway', f'{port} direct', callers)
                if callers == 1:
                    added = serving_figures.judged(added, 'at most', ADDED_MS)
                else:
                    ratio = serving_figures.judged(ratio, 'at least', THROUGHPUT)
                ratios[f'{port}, ms added at p50, {callers} callers'] = added
                ratios[f'{port}, requests a second through / direct, {callers} callers'] = ratio
    return {'points': points, 'failures': failures, 'ratios': ratios}


def changes(bench: Bench, keys: int) -> dict[str, Any]:
    """Measures shares by key, and failures while the split and the canary version change."""
    subject = bench.trivial
    with ExitStack() as stack:
        folder = bench.folder / 'changes'
        server, gateway, split_path = both(stack, folder, subject, {1, 2})
        request = messages.PredictRequest.FromString(_payload(subject))
        split = Split(subject.name, {'canary': CANARY, 'stable': 100 - CANARY}, 'a')
        write(split_path, split)
        time.sleep(2 * WATCH_SECONDS)
        found = asyncio.run(sides(gateway.grpc_address, request.SerializeToString(), keys))
        share = 100 * Counter(found.values())[2] / keys
        strayed = sum(
            version != {'stable': 1, 'canary': 2}[split.label_of(key)] for key, version in found.items()
        )
        report.say(
            f'shares: {share:.2f} % of {keys} keys to the canary ({CANARY} planned), {strayed} on another side'
        )
        answers, failures = 0, []
        stop = threading.Event()
        counts: list[int] = []

        def call() -> None:
            nonlocal answers
            done = 0
            with Client(gateway.grpc_address, attempts=1) as client:
                while not stop.is_set():
                    try:
                        client.predict(subject.name, {'x': [1.0]})
                        done += 1
                    except ServingError as error:
                        failures.append(str(error))
            counts.append(done)

        threads = [threading.Thread(target=call) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            for percent in STEPS:
                write(split_path, Split(subject.name, {'canary': percent, 'stable': 100 - percent}, 'a'))
                time.sleep(2 * WATCH_SECONDS)
            switch(server.grpc_address, folder / subject.name, subject)
            time.sleep(WATCH_SECONDS)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        answers = sum(counts)
    report.say(f'changes: {answers} answers, {len(failures)} failures')
    return {
        'keys': keys, 'canary_percent': share, 'answers': answers, 'failures': failures[:5],
        'ratios': {
            'points beside the plan': serving_figures.judged(
                report.spread([abs(share - CANARY)]), 'at most', POINTS
            ),
            'keys on another side': serving_figures.judged(report.spread([float(strayed)]), 'at most', 0),
            'requests failed under changes': serving_figures.judged(
                report.spread([float(len(failures))]), 'at most', 0
            ),
        },
    }  # fmt: skip


async def sides(address: str, request: bytes, keys: int) -> dict[str, int]:
    """Returns the version that answered each key."""
    room = asyncio.Semaphore(32)
    async with grpc.aio.insecure_channel(address, options=[('grpc.enable_http_proxy', 0)]) as channel:
        predict = channel.unary_unary(PREDICT)

        async def ask(key: str) -> tuple[str, int]:
            async with room:
                answer = await predict(request, metadata=[('vaiven-key', key)])
            return key, messages.PredictResponse.FromString(answer).model_spec.version.value

        return dict(await asyncio.gather(*(ask(f'reader-{number}') for number in range(keys))))


def both(
    stack: ExitStack, folder: Path, subject: Subject, versions: set[int]
) -> tuple[ServerProcess, GatewayProcess, Path]:
    """Starts a server with copies of the model, and a gateway that labels all traffic; returns them with the split."""
    base = folder / subject.name
    base.mkdir(parents=True)
    for version in versions:
        serving_switches.put(subject.newest, base, version)
    config = folder / 'models.config'
    config.write_text(str(configuration(base, subject, {'stable': min(versions), 'canary': max(versions)})))
    split_path = folder / 'split.json'
    write(split_path, Split(subject.name, {'canary': CANARY, 'stable': 100 - CANARY}, 'a'))
    flags = {'model_config_file': config, 'allow_version_labels_for_unavailable_models': True}
    server = stack.enter_context(ServerProcess(subject.name, base, flags=flags, timeout=300))
    gateway = stack.enter_context(
        GatewayProcess(
            *('--server', server.grpc_address, '--rest-server', server.rest_url.removeprefix('http://')),
            *('--split', f'{subject.name}={split_path}'),
        )
    )
    return server, gateway, split_path


def configuration(base: Path, subject: Subject, labels: dict[str, int]) -> Any:
    """All versions, with these labels."""
    config = messages.ModelServerConfig()
    model = config.model_config_list.config.add(
        name=subject.name, base_path=str(base), model_platform='tensorflow'
    )
    model.model_version_policy.all.SetInParent()
    model.version_labels.update(labels)
    return config


def switch(address: str, base: Path, subject: Subject) -> None:
    """Pushes and loads version 3, and gives it the label `canary`."""
    serving_switches.put(subject.newest, base, 3)
    with Client(address) as client:
        client.wait_until_available(subject.name, version=3, timeout=60)
        client.reload_config(configuration(base, subject, {'stable': 1, 'canary': 3}))


def _payload(subject: Subject) -> bytes:

    return base64.b64decode(subject.grpc('').payloads[0])


if __name__ == '__main__':
    main()
