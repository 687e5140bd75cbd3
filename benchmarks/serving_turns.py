"""Measures several servers in turns with the same requests: requests per second, latencies, and CPU time."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import report, serving_figures
from benchmarks.serving_load import Job
from benchmarks.serving_processes import cpu_seconds
from benchmarks.serving_setup import Bench

TRIAL_SECONDS, MAX_TRIALS, FASTER = 0.7, 20, 1.1
# The values of a load generator result that a point keeps.
FIGURES = ('requests_a_second', 'p50_ms', 'p99_ms', 'load_cpu_share', 'server_cpu_ms')


@dataclass(frozen=True)
class Contestant:
    """A server for `job`, in the process `pid`."""

    job: Job
    pid: int


class Series:
    """The points of all servers: `values[name][callers][figure]` is a list with one item per repeat."""

    def __init__(self) -> None:
        self.values: dict[str, dict[int, dict[str, list[float]]]] = {}
        self.failures: dict[str, str] = {}

    def add(self, name: str, callers: int, result: Mapping[str, Any]) -> None:
        point = self.values.setdefault(name, {}).setdefault(callers, {figure: [] for figure in FIGURES})
        for figure in FIGURES:
            point[figure].append(result[figure])
        if result['failures']:
            self.failures[f'{name} at {callers}'] = f'{result["failures"]}: {result["first_failure"]}'

    def ratio(
        self, ours: str, theirs: str, callers: int, figure: str = 'requests_a_second'
    ) -> dict[str, Any]:
        """The ratio ours / theirs, per repeat."""
        return serving_figures.ratio(*(self.values[name][callers][figure] for name in (ours, theirs)))

    def figures(self) -> dict[str, Any]:
        """All values with their spread."""
        return {
            name: {
                str(callers): {figure: report.spread(each) for figure, each in point.items()}
                for callers, point in points.items()
            }
            for name, points in self.values.items()
        }


def in_turns(bench: Bench, contestants: Mapping[str, Contestant], levels: tuple[int, ...]) -> Series:
    """Measures every server with every number of callers, forwards and backwards, and prints a table."""
    plan, series = bench.plan, Series()
    for contestant in contestants.values():
        settle(bench, contestant, levels)
    for callers in levels:
        for repeat in range(plan.repeats):
            for name in list(contestants)[:: 1 if repeat % 2 == 0 else -1]:
                contestant = contestants[name]
                job = dataclasses.replace(
                    contestant.job, callers=callers, warm_up=plan.warm_up, seconds=plan.seconds
                )
                before = cpu_seconds(contestant.pid)
                result = bench.load.run(job)
                used = 1000 * (cpu_seconds(contestant.pid) - before)
                series.add(name, callers, {**result, 'server_cpu_ms': used / max(result['sent'], 1)})
        for name in contestants:
            report.say(_line(name, callers, series.values[name][callers]))
    for name, failure in series.failures.items():
        report.say(f'    failed requests, {name}: {failure}')
    return series


def settle(bench: Bench, contestant: Contestant, levels: tuple[int, ...]) -> None:
    """Sends untimed requests until they get no faster: the first runs of a graph can take seconds."""
    for callers in dict.fromkeys((levels[-1], levels[0])):
        last = 0.0
        for _ in range(MAX_TRIALS):
            job = dataclasses.replace(contestant.job, callers=callers, warm_up=0.0, seconds=TRIAL_SECONDS)
            speed = bench.load.run(job)['requests_a_second']
            if speed < last * FASTER:
                break
            last = speed


def _line(name: str, callers: int, point: Mapping[str, list[float]]) -> str:
    mean = {figure: report.spread(values)['mean'] for figure, values in point.items()}
    return (
        f'    {name:>18} {callers:>4} callers  {mean["requests_a_second"]:8.0f} requests/s  '
        f'p50 {mean["p50_ms"]:7.2f} ms  p99 {mean["p99_ms"]:7.2f} ms  '
        f'server {mean["server_cpu_ms"]:6.3f} CPU-ms a request, load generator {mean["load_cpu_share"]:.0%} of a core'
    )
