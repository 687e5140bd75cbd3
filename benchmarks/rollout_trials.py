"""Trials of automatic rollouts with good and faulty versions, and rollouts that are killed."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.rollout_models import rows
from benchmarks.serving_figures import judged
from benchmarks.serving_switches import put
from vaiven.serving.client import Client, RequestError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout import configuration
from vaiven.serving.rollout import plan as plans
from vaiven.serving.rollout.auto import Auto
from vaiven.serving.rollout.journal import Journal
from vaiven.serving.rollout.paired_requests import pairs
from vaiven.serving.rollout.requests import read_requests
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.rollout_run import PROMOTED, ROLLED_BACK, Outcome
from vaiven.serving.rollout.server_state import label_version
from vaiven.serving.server.server_process import ServerProcess

MODEL = 'reviews'
ROWS = 20_000
SLOWER_BY = 1.5
CALIBRATION_PAIRS = 300
FAULTS = ('slower', 'less_accurate', 'failing', 'swapped')
# The defaults, except for the duration of a step: no effect here needs a minute to show.
PLAN: dict[str, Any] = {
    'model': MODEL, 'requests': 'rows.tsv', 'minimum_requests': 300, 'minimum_seconds': 1,
}  # fmt: skip
CAUGHT = 0.95  # 19 of 20


@dataclass
class Place:
    """A serving folder with version 1 stable on a server; versions are added when they are tried."""

    kinds: Path
    folder: Path
    client: Client
    version: int = 1

    @property
    def base_path(self) -> Path:
        return self.folder / MODEL

    def rollout(self) -> Rollout:
        return Rollout(self.client, MODEL, configuration.single_model_config(MODEL, self.base_path))

    def add(self, kind: str) -> int:
        self.version += 1
        put(self.kinds / kind, self.base_path, self.version)
        return self.version


@contextmanager
def place(kinds: Path, folder: Path) -> Iterator[Place]:
    """Starts the server; it ends with the `with` block."""
    (folder / MODEL).mkdir(parents=True)
    put(kinds / 'stable', folder / MODEL, 1)
    lines = ''.join(f'{text}\t{label}\n' for text, label in rows(ROWS))
    (folder / 'rows.tsv').write_text(f'text\tlabel\n{lines}', encoding='utf-8')
    with ServerProcess(MODEL, folder / MODEL) as server, Client(server.grpc_address) as client:
        made = Place(kinds, folder, client)
        made.rollout().promote(1)
        yield made


def trials(kinds: Path, folder: Path, count: int) -> dict[str, Any]:
    """Runs `count` rollouts of a good version and of each faulty version."""
    with place(kinds, folder) as here:
        slower, ratios = _slower(here)
        report.say(f'    slower by half: {slower}, its answers take {ratios[slower]:.2f} times as long')
        results = {}
        for name in ('good', *FAULTS):
            wanted = PROMOTED if name == 'good' else ROLLED_BACK
            found = [_trial(here, slower if name == 'slower' else name) for _ in range(count)]
            right = [outcome.result == wanted for outcome, _ in found]
            requests = [outcome.requests for outcome, _ in found]
            results[name] = {
                'trials': count, wanted: sum(right), 'requests': requests, 'seconds': [took for _, took in found],
                'because': [outcome.reason for outcome, _ in found],
            }  # fmt: skip
            report.say(
                f'    {name}: {sum(right)} of {count} {wanted}; requests to each version: '
                f'median {int(np.median(requests)):,}, {min(requests):,} to {max(requests):,}'
            )
    return {
        'results': results, 'latency_ratios': ratios, 'rows': ROWS, 'plan': PLAN,
        'ratios': {
            f'{name} {"promoted" if name == "good" else "caught"}': judged(
                report.spread([each['promoted' if name == 'good' else 'rolled back'] / count]), 'at least', CAUGHT
            )
            for name, each in results.items()
        },
    }  # fmt: skip


def _trial(here: Place, kind: str) -> tuple[Outcome, float]:
    """Runs one rollout and makes version 1 stable again."""
    version = here.add(kind)
    began = time.monotonic()
    rollout = here.rollout()
    with Journal(here.folder / 'record.jsonl') as record:
        outcome = Auto(rollout, plans.from_values(PLAN, here.folder), record, lambda entry: None).run(version)
    took = time.monotonic() - began
    if outcome.result == PROMOTED:
        rollout.pin(1)
    return outcome, took


def _slower(here: Place) -> tuple[str, dict[str, float]]:
    """Returns the kind whose latency is nearest to 1.5 times that of the stable version, and all ratios."""
    asked = read_requests(here.folder / 'rows.tsv', MODEL)[:CALIBRATION_PAIRS]
    ratios = {}
    for kind in sorted(path.name for path in here.kinds.glob('slower_*')):
        version = here.add(kind)
        rollout = here.rollout()
        rollout.canary(version, 0)
        found = [each for each in pairs(here.client, MODEL, asked, 1, version) if each is not None]
        rollout.rollback()
        ratios[kind] = float(np.median([each.new.seconds / each.old.seconds for each in found]))
    return min(ratios, key=lambda kind: abs(ratios[kind] - SLOWER_BY)), ratios


def kills(kinds: Path, folder: Path, count: int) -> dict[str, Any]:
    """Kills commands at random moments while the stable version is polled continuously."""
    draw = random.Random(0)
    with place(kinds, folder) as here:
        versions = [1, *(here.add('good') for _ in range(2))]
        over, looks, without = threading.Event(), 0, 0

        def look() -> None:
            nonlocal looks, without
            with Client(here.client.address) as client:
                while not over.is_set():
                    looks += 1
                    without += label_version(client, MODEL, STABLE) is None

        looking = threading.Thread(target=look)
        looking.start()
        killed: dict[str, int] = {}
        dangling = 0
        try:
            for _ in range(count):
                move = draw.choice(['canary', 'promote', 'rollback', 'pin'])
                more = {
                    'canary': [str(draw.choice(versions)), '--percent', '50'],
                    'promote': [str(draw.choice(versions))],
                    'rollback': [],
                    'pin': [str(draw.choice(versions))],
                }[move]
                command = [
                    sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', move, *more,
                    '--server', here.client.address, '--base-path', str(here.base_path),
                ]  # fmt: skip
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    process.wait(draw.uniform(0.25, 3.5))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    killed[move] = killed.get(move, 0) + 1
                labels = here.rollout().state().labels
                split = here.rollout().split().weights
                dangling += any(share and label not in labels for label, share in split.items())
            finished = _finishes(here)
        finally:
            over.set()
            looking.join()
    report.say(
        f'    {sum(killed.values())} of {count} commands were killed; '
        f'of {looks:,} looks {without} found no stable version'
    )
    return {
        'commands': count, 'killed': killed, 'looks': looks, 'without_stable': without,
        'split_to_a_missing_label': dangling, 'finishes_afterwards': finished,
        'ratios': {
            'looks without a stable version': judged(report.spread([float(without)]), 'at most', 0),
            'splits that name a missing label': judged(report.spread([float(dangling)]), 'at most', 0),
        },
    }  # fmt: skip


def _finishes(here: Place) -> bool:
    """Returns whether the state after the kills can be resolved."""
    try:
        return here.rollout().pin(1).loaded == [1]
    except RequestError:
        return False
