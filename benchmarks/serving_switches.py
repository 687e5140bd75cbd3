"""New versions under load: failures, and responses of versions that were not AVAILABLE."""

import base64
import dataclasses
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import report, serving_figures
from benchmarks.serving_figures import Answer, Life, percentile
from benchmarks.serving_processes import memory
from benchmarks.serving_setup import Bench
from vaiven.serving.client import Client, RequestError
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

CALLERS = 8
LOOK_SECONDS = 0.03
SETTLE_SECONDS = 0.5
SWITCH_TIMEOUT = 180.0


class Observer:
    """Polls the states of all versions in a separate thread."""

    def __init__(self, address: str, model: str) -> None:
        self.lives: dict[int, Life] = {}
        self.states: dict[int, str] = {}
        self._client = Client(address)
        self._model = model
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> 'Observer':
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def appeared(self, version: int, moment: float) -> None:
        self.lives[version] = Life(moment)

    def settled(self, version: int) -> bool:
        """Returns whether `version` is AVAILABLE and all others have ended."""
        states = dict(self.states)
        return states.get(version) == 'AVAILABLE' and all(
            state == 'END' for number, state in states.items() if number != version
        )

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            asked = time.monotonic()
            try:
                seen = {each.version: each.state for each in self._client.status(self._model)}
            except RequestError:
                continue
            answered = time.monotonic()
            for version in list(self.lives):
                self.lives[version] = look(self.lives[version], seen.get(version, 'START'), asked, answered)
            self.states = seen


def look(life: Life, state: str, asked: float, answered: float) -> Life:
    """Returns `life` with one more observation: `state` held at some moment between `asked` and `answered`."""
    if state in ('START', 'LOADING'):
        return dataclasses.replace(life, not_yet=asked)
    if state == 'AVAILABLE':
        return dataclasses.replace(life, available=min(life.available, answered))
    return dataclasses.replace(life, gone=min(life.gone, answered))


def switches(bench: Bench) -> dict[str, Any]:
    """Adds versions one by one while callers request the newest."""
    subject, plan = bench.main_subject, bench.plan
    folder = bench.folder / 'switches'
    folder.mkdir()
    put(subject.newest, folder, 1)
    began: dict[int, float] = {}
    settled: dict[int, float] = {}
    with (
        ServerProcess(subject.name, folder, timeout=300) as server,
        Observer(server.grpc_address, subject.name) as observer,
    ):
        observer.appeared(1, 0.0)
        before = memory(server.pid)['rss']
        bench.load.start(
            subject.grpc(server.grpc_address, callers=CALLERS, warm_up=plan.warm_up, seconds=None, keep=True)
        )
        time.sleep(plan.warm_up + plan.quiet)
        for version in range(2, plan.switches + 2):
            began[version] = time.monotonic()
            observer.appeared(version, began[version])
            put(subject.newest, folder, version)
            _wait(observer, version)
            time.sleep(SETTLE_SECONDS)
            settled[version] = time.monotonic()
            report.say(
                f'    version {version} after {observer.lives[version].available - began[version]:.1f} s'
            )
            time.sleep(plan.quiet)
        result = bench.load.finish()
        after = memory(server.pid)['rss']
    answers = _answers(result)
    wrong = serving_figures.wrong_answers(answers, observer.lives)
    around, quiet = _percentiles(answers, began, settled)
    unanswering = sorted(set(observer.lives) - {version for _, _, version in answers})
    report.say(
        f'    {plan.switches} switches, {len(answers)} answers, {result["failures"]} failures, '
        f'{len(wrong)} from a version that was not AVAILABLE; p99 {report.spread(around)["mean"]:.1f} ms around '
        f'switches, {report.spread(quiet)["mean"]:.1f} ms between them'
    )
    return {
        'model': subject.name, 'switches': plan.switches, 'callers': CALLERS, 'answers': len(answers),
        'failures': result['failures'], 'first_failure': result['first_failure'], 'wrong_answers': len(wrong),
        'versions_that_never_answered': unanswering,
        'rss_megabytes': {'before': before, 'after': after},
        'p99_ms_around': report.spread(around), 'p99_ms_between': report.spread(quiet),
        'ratios': {
            'failed or wrong answers': serving_figures.judged(
                report.spread([float(result['failures'] + len(wrong))]), 'at most', 0
            ),
            'p99 around switches / between': serving_figures.ratio(around, quiet),
        },
    }  # fmt: skip


def put(source: Path, folder: Path, version: int) -> None:
    """Adds version `version` to `folder` atomically; files are hard links to `source` if possible."""
    hidden = folder / f'.{version}'
    shutil.copytree(source, hidden, copy_function=_link)
    hidden.rename(folder / str(version))


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _wait(observer: Observer, version: int) -> None:
    deadline = time.monotonic() + SWITCH_TIMEOUT
    while not observer.settled(version):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f'version {version} did not take over in {SWITCH_TIMEOUT:.0f} s: {observer.states}'
            )
        time.sleep(LOOK_SECONDS)


def _answers(result: dict[str, Any]) -> list[Answer]:
    versions = [
        messages.PredictResponse.FromString(base64.b64decode(body)).model_spec.version.value
        for body in result['bodies']
    ]
    return [(began, ended, versions[body]) for began, ended, body in result['times']]


def _percentiles(
    answers: list[Answer], began: dict[int, float], settled: dict[int, float]
) -> tuple[list[float], list[float]]:
    """Returns p99 in ms for each switch, from its folder to the end of the old version, and after it."""
    around, quiet = [], []
    last = max(ended for _, ended, _ in answers)
    for version, start in began.items():
        middle, end = settled[version], began.get(version + 1, last)
        around.append(_p99(answers, start, middle))
        quiet.append(_p99(answers, middle, end))
    return around, quiet


def _p99(answers: list[Answer], start: float, end: float) -> float:
    return 1000 * percentile((ended - began for began, ended, _ in answers if start <= began < end), 0.99)
