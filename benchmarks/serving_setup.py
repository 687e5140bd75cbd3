"""Shared by all parts of the serving benchmark: sizes, models, and the load generator."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.corpora import MissingDataError, reviews
from benchmarks.serving_load import Job
from benchmarks.serving_processes import Load, encoded
from vaiven.serving.wire import messages, tensors

PREDICT = '/tensorflow.serving.PredictionService/Predict'
STATUS = '/tensorflow.serving.ModelService/GetModelStatus'
MAX_SENTENCES = 256
SENTENCES = (
    'A warm, funny and beautifully acted film that stays with you.',
    'Tedious, badly written and far too long.',
    'The second half is better than the first, but only just.',
    'I have rarely laughed so much in a cinema.',
    'Nothing in this story made me care about anybody in it.',
)


@dataclass(frozen=True)
class Plan:
    """Sizes of the benchmark.

    Attributes:
        seconds: duration of each point, after `warm_up` seconds that are not counted.
        repeats: how often each point is measured, in turns with its peers.
        callers: concurrent callers of the trivial model.
        starts: how many times server and bare process are started.
        switches: how many new versions appear, with `quiet` seconds without one after each.
        cycles: how many times a model is loaded and unloaded; the first `skipped` do not count.
    """

    seconds: float = 6.0
    warm_up: float = 1.0
    repeats: int = 5
    callers: tuple[int, ...] = (1, 8, 32, 128)
    starts: int = 4
    switches: int = 20
    quiet: float = 3.0
    cycles: int = 200
    skipped: int = 50


QUICK = Plan(
    seconds=1.2,
    warm_up=0.4,
    repeats=3,
    callers=(1, 32),
    starts=2,
    switches=3,
    quiet=2.0,
    cycles=40,
    skipped=10,
)


@dataclass(frozen=True)
class Subject:
    """A model and its requests: values by input alias, one row per request."""

    name: str
    folder: Path
    inputs: list[dict[str, list[Any]]]

    @property
    def newest(self) -> Path:
        """The folder of its newest version."""
        return max(
            (path for path in self.folder.iterdir() if path.name.isdecimal()), key=lambda p: int(p.name)
        )

    def grpc(self, address: str, **settings: Any) -> Job:
        """Predict requests to `address`, `host:port`."""
        payloads = []
        for inputs in self.inputs:
            request = messages.PredictRequest()
            request.model_spec.name = self.name
            for alias, values in inputs.items():
                request.inputs[alias].CopyFrom(tensors.to_proto(values))
            payloads.append(request.SerializeToString())
        return Job(address, encoded(payloads), PREDICT, **settings)

    def status(self) -> str:
        """A GetModelStatusRequest, in base64."""
        request = messages.GetModelStatusRequest()
        request.model_spec.name = self.name
        return encoded([request.SerializeToString()])[0]

    def rest(self, url: str, **settings: Any) -> Job:
        """The same requests for `url`, `http://host:port`, in the row format."""
        return Job(f'{url}/v1/models/{self.name}:predict', self.bodies(), **settings)

    def bodies(self) -> list[str]:
        """The requests as JSON, in base64."""
        rows = [next(iter(inputs.values())) for inputs in self.inputs]
        return encoded([json.dumps({'instances': values}).encode() for values in rows])


def trivial(folder: Path) -> Subject:
    """y = x / 2 + 2, whose version 1 is in `folder`."""
    return Subject('trivial', folder, [{'x': [1.0]}])


def sentiment(folder: Path) -> Subject:
    """A model of this project with real sentences, if the corpus is available."""
    try:
        texts: Sequence[str] = [row.text for row in reviews('vader')[:MAX_SENTENCES]]
    except (MissingDataError, OSError):
        texts = SENTENCES
    return Subject('sentiment', folder, [{'text': [text]} for text in texts])


@dataclass
class Bench:
    """The environment of one run; parts record in `skipped` what they could not measure, and why."""

    plan: Plan
    folder: Path
    load: Load
    trivial: Subject
    sentiment: Subject | None
    peer_python: str
    peer_path: str
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def main_subject(self) -> Subject:
        """The sentiment model if there is one, otherwise the trivial model."""
        return self.sentiment or self.trivial
