"""Memory over repeated loads and unloads of a model."""

import time
from typing import Any

from benchmarks import report, serving_figures
from benchmarks.serving_processes import memory
from benchmarks.serving_setup import Bench
from vaiven.serving.client import Client, NotFoundError
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

NAME = 'coming-and-going'
MAX_GROWTH = 0.05
UNLOAD_SECONDS = 60.0


def cycles(bench: Bench) -> dict[str, Any]:
    """Measures resident memory after each cycle: a reload with the trivial model, a request, a reload without."""
    plan, subject = bench.plan, bench.trivial
    samples = []
    began = time.monotonic()
    with (
        ServerProcess(subject.name, subject.folder, timeout=300) as server,
        Client(server.grpc_address, timeout=120) as client,
    ):
        alone, both = messages.ModelServerConfig(), messages.ModelServerConfig()
        for config, names in ((alone, (subject.name,)), (both, (subject.name, NAME))):
            for name in names:
                config.model_config_list.config.add(
                    name=name, base_path=str(subject.folder.absolute()), model_platform='tensorflow'
                )
        for number in range(plan.cycles):
            client.reload_config(both)
            client.predict(NAME, subject.inputs[0])
            client.reload_config(alone)
            _wait_for_end(client)
            samples.append(memory(server.pid)['rss'])
            if number == plan.skipped - 1 or number == plan.cycles - 1:
                report.say(f'    {samples[-1]:.0f} MB after {number + 1} cycles')
    grown = serving_figures.growth(samples, plan.skipped)
    counted = samples[plan.skipped :]
    return {
        'cycles': plan.cycles, 'skipped': plan.skipped, 'rss_megabytes': samples[:: max(1, len(samples) // 20)],
        'megabytes_a_cycle': (counted[-1] - counted[0]) / max(1, len(counted) - 1),
        'seconds_a_cycle': (time.monotonic() - began) / plan.cycles,
        'ratios': {
            'growth of resident memory': serving_figures.judged(report.spread([grown]), 'at most', MAX_GROWTH)
        },
    }  # fmt: skip


def _wait_for_end(client: Client) -> None:
    deadline = time.monotonic() + UNLOAD_SECONDS
    while time.monotonic() < deadline:
        try:
            if all(each.state == 'END' for each in client.status(NAME)):
                return
        except NotFoundError:
            return
        time.sleep(0.005)
    raise TimeoutError(f'{NAME} was not unloaded in {UNLOAD_SECONDS:.0f} s')
