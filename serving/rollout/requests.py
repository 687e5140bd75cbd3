"""What is asked of two versions: rows of a file, or the requests that a server logged."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tfrecords import Records
from vaiven.serving.rollout.request_tables import TEXT, Columns, ModelLabels, labelled_rows
from vaiven.serving.wire import messages, tensors

DEFAULT_SIGNATURE = 'serving_default'
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        inputs: by name, with a row for each text.
        signature: which one is asked.
        truth: what the first row's decision should be, where that is known.
    """

    inputs: dict[str, Any]
    signature: str = DEFAULT_SIGNATURE
    truth: str | None = None

    def text_of(self, row: int) -> str:
        """What was sent in a row of the input `text`, or else of the first input."""
        value = self.inputs.get(TEXT, next(iter(self.inputs.values()), ''))
        if not isinstance(value, str | bytes) and hasattr(value, '__len__') and row < len(value):
            value = value[row]
        return value.decode(errors='replace') if isinstance(value, bytes) else str(value)


def read(
    path: Path,
    model: str,
    columns: Columns | None = None,
    labels: ModelLabels | None = None,
    remarks: list[str] | None = None,
) -> list[Asked]:
    """The requests in a file: a table, .txt (a text a line), or .tfrecord of PredictionLog.

    Args:
        path: the file.
        model: whose requests are taken from a log, see `of_record`.
        columns: of a table.
        labels: how the model's own data spelled the classes, where that is known.
        remarks: gets a line for each thing that is strange in a table and not refused.

    Raises:
        ServingError: the file cannot be read, is of no such kind, lacks a column, or holds no request.
    """
    logged = path.suffix in ('.tfrecord', '.partial')
    try:
        if logged:
            found = list(_logged(path, model))
        else:
            rows = labelled_rows(path, columns or Columns(), labels, [] if remarks is None else remarks)
            found = [Asked({TEXT: [text]}, truth=truth) for text, truth in rows]
    except OSError as error:
        raise ServingError(f'cannot read {path}: {error.strerror}') from error
    if not found:
        of_model = f' of model {model!r} that names no version' if logged else ''
        raise ServingError(f'{path} holds no request{of_model}')
    return found


def _logged(path: Path, model: str) -> Iterator[Asked]:
    with Records(path) as records:
        while (record := records.next()) is not None:
            if (asked := of_record(record, model, path)) is not None:
                yield asked


def of_record(record: bytes, model: str, path: Path) -> Asked | None:
    """The request of a PredictionLog, if it is a Predict of `model` that names no version.

    Whoever compares versions names one in each request, and the server logs these as well: asked again they would
    be logged again, for ever. Users name labels.

    Raises:
        ServingError: the record is none, or holds a tensor that is none.
    """
    try:
        log = messages.PredictionLog.FromString(record)
        if log.WhichOneof('log_type') != 'predict_log':
            return None
        request = log.predict_log.request
        if request.model_spec.name != model or request.model_spec.HasField('version'):
            return None
        inputs = {name: tensors.to_array(proto) for name, proto in request.inputs.items()}
    except (DecodeError, ValueError) as error:
        raise ServingError(f'{path} is no log of requests: {error}') from error
    return Asked(inputs, request.model_spec.signature_name or DEFAULT_SIGNATURE)


def sampled(requests: list[Asked], seed: int | None = None) -> Iterator[Asked]:
    """One after the other, drawn at random for ever: what was drawn says nothing of what comes."""
    draw = random.Random(seed)
    while True:
        yield draw.choice(requests)


def paced(source: Iterable[Asked | None], most: float | None) -> Iterator[Asked | None]:
    """No more than `most` of them a second; None for as many as are taken."""
    if most is None:
        yield from source
        return
    due = time.monotonic()
    for asked in source:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic()) + 1 / most
        yield asked


@dataclass
class Log:
    """The request log of a server, also while it is written: files whose names begin with `prefix`.

    Attributes:
        prefix: the `filename_prefix` of the server's logging_config, a folder of such files, or one file.
        model: whose requests are taken, see `of_record`.
        follow: whether to wait for what is logged later.
        places: how far each file has been read, in bytes, by its name; to go on from there.
    """

    prefix: Path
    model: str
    follow: bool = False
    places: dict[str, int] = field(default_factory=dict)
    _begun: dict[str, Records] = field(default_factory=dict)

    def requests(self) -> Iterator[Asked | None]:
        """The requests that have not been read; None while there is nothing new. Raises ServingError."""
        while True:
            found = False
            for name, records in self._files():
                while (record := records.next()) is not None:
                    self.places[name] = records.place
                    if (asked := of_record(record, self.model, records.path)) is not None:
                        found = True
                        yield asked
            if not self.follow:
                if not self._begun:
                    raise ServingError(f'no log of requests begins with {self.prefix}')
                return
            if not found:
                yield None
                time.sleep(LOOK_SECONDS)

    def _files(self) -> list[tuple[str, Records]]:
        """All files, oldest first; one that was `.partial` when it was opened is the same one later."""
        if self.prefix.is_file():
            paths = [self.prefix]
        elif self.prefix.is_dir():
            paths = [path for ending in ('', '.partial') for path in self.prefix.glob(f'*.tfrecord{ending}')]
        else:
            paths = [
                path
                for path in self.prefix.parent.glob('*')
                if path.name.startswith(self.prefix.name) and '.tfrecord' in path.name
            ]
        for path in sorted(paths):
            name = path.name.removesuffix('.partial')
            if name in self._begun:
                continue
            try:
                self._begun[name] = Records(path, self.places.get(name, 0))
            except ServingError as error:
                if not isinstance(error.__cause__, FileNotFoundError):  # it has just lost its `.partial`
                    raise
        return sorted(self._begun.items())
