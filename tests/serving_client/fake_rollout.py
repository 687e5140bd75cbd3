"""A server as far as a rollout sees it, in this process: it can be made to crash at any call. And its folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vaiven.serving.client import InvalidRequestError, NotFoundError, RequestError
from vaiven.serving.client.results import VersionStatus
from vaiven.serving.rollout import configuration
from vaiven.serving.rollout import plan as plans
from vaiven.serving.rollout.auto import Auto
from vaiven.serving.rollout.journal import Journal
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.rollout_run import Outcome

PLAN = {
    'model': 'm', 'requests': 'rows.tsv', 'steps': [10, 50, 100], 'minimum_requests': 60, 'minimum_seconds': 0,
    'gates': {
        'error_rate': 0.05, 'agreement': 0.9, 'latency_ratio': None, 'p99_ratio': None, 'drift': None,
        'accuracy_drop': None,
    },
}  # fmt: skip
Entry = dict[str, Any]


class Stop(BaseException):
    """Stands for a kill."""


class FakeServer:
    """Stands for the client, too. `restart` loses the labels and leaves the newest version."""

    address = 'fake'

    def __init__(self, pushed: set[int]) -> None:
        self.pushed = pushed
        self.loaded = {max(pushed)}
        self.labels: dict[str, int] = {}
        self.asked: list[int] = []
        self.answer: Callable[[int], dict[str, Any] | None] = lambda version: None
        self.status_fails: list[Exception] = []

    def restart(self) -> None:
        self.loaded, self.labels = {max(self.pushed)}, {}

    def status(self, model: str) -> list[VersionStatus]:
        if self.status_fails:
            raise self.status_fails.pop()
        return [VersionStatus(version, 'AVAILABLE', '') for version in sorted(self.loaded, reverse=True)]

    def label_version(self, model: str, label: str) -> int:
        if self.labels.get(label) not in self.loaded:
            raise NotFoundError(f'no label {label}', 'NOT_FOUND', '')
        return self.labels[label]

    def reload_config(self, config: Any, timeout: float) -> None:
        entry = configuration.model_entry(config, 'm')
        if set(entry.version_labels.values()) - self.loaded:
            raise InvalidRequestError('a label of a version that is not loaded', 'FAILED_PRECONDITION', '')
        self.labels = dict(entry.version_labels)
        self.loaded = set(entry.model_version_policy.specific.versions) & self.pushed

    def wait_until_available(self, model: str, version: int, timeout: float) -> None:
        if version not in self.loaded:
            raise RequestError('not loaded', 'DEADLINE_EXCEEDED', '')

    def predict(self, model: str, inputs: Any, *, version: int, **more: Any) -> dict[str, Any]:
        self.asked.append(version)
        answer = self.answer(version)
        if version not in self.loaded:
            raise NotFoundError(f'no version {version}', 'NOT_FOUND', '')
        return said('positive', 0.9) if answer is None else answer


def said(label: str, score: float) -> dict[str, Any]:
    """An answer to one row."""
    return {'label': np.array([label.encode()], object), 'probability': np.array([score])}


class FakeStage:
    """A serving folder whose version 1 is stable and whose version 2 is new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base_path = folder / 'm'
        for version in (1, 2):
            (self.base_path / str(version)).mkdir(parents=True)
        (folder / 'rows.tsv').write_text('text\tlabel\n' + ''.join(f'ñ {n}\tpositive\n' for n in range(50)))
        self.config = configuration.single_model_config('m', self.base_path)
        self.server = FakeServer({1, 2})
        self.entries: list[Entry] = []
        self.rollout().promote(1)

    def push(self, version: int) -> None:
        (self.base_path / str(version)).mkdir()
        self.server.pushed.add(version)

    def rollout(self) -> Rollout:
        return Rollout(self.server, 'm', self.config)  # type: ignore[arg-type]

    def auto(self, when: Callable[[Entry], object] | None = None, **plan: Any) -> Outcome:
        """`when` is told every entry of the record, and may raise Stop."""

        def say(entry: Entry) -> None:
            self.entries.append(json.loads(json.dumps(entry)))
            if when is not None:
                when(entry)

        wanted = {key: value for key, value in {**PLAN, **plan}.items() if value is not None}
        with Journal(self.base_path / 'rollout.jsonl') as record:
            return Auto(self.rollout(), plans.from_values(wanted, self.folder), record, say).run(timeout=5)

    def weights(self) -> dict[str, float]:
        return dict(self.rollout().split().weights)

    def events(self) -> list[str]:
        return [entry['event'] for entry in self.entries]


def once(test: Callable[[Entry], bool], act: Callable[[], object]) -> Callable[[Entry], None]:
    """For `when`: does it at the first entry that passes the test."""
    done: list[Entry] = []

    def when(entry: Entry) -> None:
        if not done and test(entry):
            done.append(entry)
            act()

    return when


def kill() -> None:
    raise Stop
