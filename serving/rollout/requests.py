"""The requests that two versions are compared on: the rows of a file, or the request log of a server."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.model_labels import UNKNOWN, Label, ModelLabels
from vaiven.serving.common.tfrecords import Records
from vaiven.serving.rollout.request_tables import TEXT, Columns, labelled_rows
from vaiven.serving.wire import messages, tensors

DEFAULT_SIGNATURE = 'serving_default'
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        inputs: by name, with a row for each text.
        signature: name of the signature.
        expected_label: the correct class of the first row, or the set of its classes for a multilabel model; None if
            unknown.
    """

    inputs: dict[str, Any]
    signature: str = DEFAULT_SIGNATURE
    expected_label: Label | None = None

    def text_of(self, row: int) -> str:
        """Returns the text of a row of the input `text`, or else of the first input."""
        value = self.inputs.get(TEXT, next(iter(self.inputs.values()), ''))
        if not isinstance(value, str | bytes) and hasattr(value, '__len__') and row < len(value):
            value = value[row]
        return value.decode(errors='replace') if isinstance(value, bytes) else str(value)


def read_requests(
    path: Path,
    model: str,
    columns: Columns | None = None,
    labels: ModelLabels = UNKNOWN,
    remarks: list[str] | None = None,
) -> list[Request]:
    """Reads the requests in a file: a table, .txt (one text per line), or .tfrecord of PredictionLog.

    Args:
        path: the file.
        model: name of the model; other models' requests in a log are skipped.
        columns: the columns of a table; None for the default names.
        labels: of the model.
        remarks: gets a line for each irregularity of a table that is not an error.

    Raises:
        ServingError: the file cannot be read, has another format, lacks a column, or has no request.
    """
    logged = path.suffix in ('.tfrecord', '.partial')
    try:
        if logged:
            requests = list(_logged(path, model))
        else:
            rows = labelled_rows(path, columns or Columns(), labels, [] if remarks is None else remarks)
            requests = [Request({TEXT: [text]}, expected_label=label) for text, label in rows]
    except OSError as error:
        raise ServingError(f'cannot read {path}: {error.strerror}') from error
    if not requests:
        of_model = f' of model {model!r} that names no version' if logged else ''
        raise ServingError(f'{path} has no request{of_model}')
    return requests


def _logged(path: Path, model: str) -> Iterator[Request]:
    with Records(path) as records:
        while (record := records.next()) is not None:
            if (request := from_prediction_log(record, model, path)) is not None:
                yield request


def from_prediction_log(record: bytes, model: str, path: Path) -> Request | None:
    """Returns the request of a PredictionLog.

    Args:
        record: a serialized PredictionLog.
        model: name of the model.
        path: file of the record, for messages.

    Returns:
        The request; None if it is not a Predict request of `model`, or names a version.

    Raises:
        ServingError: the record or one of its tensors cannot be decoded.
    """
    try:
        log = messages.PredictionLog.FromString(record)
        if log.WhichOneof('log_type') != 'predict_log':
            return None
        request = log.predict_log.request
        # A comparison names the version in each request, and the server logs those, too. Sending them again would log
        # them again, without end. Users name labels.
        if request.model_spec.name != model or request.model_spec.HasField('version'):
            return None
        inputs = {name: tensors.to_array(proto) for name, proto in request.inputs.items()}
    except (DecodeError, ValueError) as error:
        raise ServingError(f'{path} is not a request log: {error}') from error
    return Request(inputs, request.model_spec.signature_name or DEFAULT_SIGNATURE)


def sample(requests: list[Request], seed: int | None = None) -> Iterator[Request]:
    """Yields requests drawn at random with replacement, without end.

    The sequential tests need outcomes whose expectation does not depend on the earlier ones; going through the rows in
    their order would not give that, since files are often sorted.

    Args:
        requests: the requests to draw from.
        seed: of the generator; None for a different order each time.
    """
    generator = random.Random(seed)
    while True:
        yield generator.choice(requests)


def rate_limited(source: Iterable[Request | None], max_per_second: float | None) -> Iterator[Request | None]:
    """Yields the requests of `source`, at most `max_per_second` of them; None for no limit."""
    if max_per_second is None:
        yield from source
        return
    due = time.monotonic()
    for request in source:
        time.sleep(max(0.0, due - time.monotonic()))
        # From now if late: requests that were missed are not made up for in a burst.
        due = max(due, time.monotonic()) + 1 / max_per_second
        yield request


@dataclass
class RequestLog:
    """The request log of a server, which may still be written: the files whose names start with `prefix`.

    Attributes:
        prefix: the `filename_prefix` of the server's logging_config, a folder of such files, or one file.
        model: name of the model; requests of other models, and those that name a version, are skipped.
        follow: whether to wait for requests that are logged later.
        positions: the read position in each file, in bytes, by file name; reading starts there.
    """

    prefix: Path
    model: str
    follow: bool = False
    positions: dict[str, int] = field(default_factory=dict)
    _open_files: dict[str, Records] = field(default_factory=dict)

    def requests(self) -> Iterator[Request | None]:
        """Yields the requests that have not been read yet; None while there is nothing new.

        Raises:
            ServingError: there is no such file, or it is not a request log.
        """
        while True:
            any_new = False
            for name, records in self._files():
                while (record := records.next()) is not None:
                    self.positions[name] = records.place
                    if (request := from_prediction_log(record, self.model, records.path)) is not None:
                        any_new = True
                        yield request
            if not self.follow:
                if not self._open_files:
                    raise ServingError(f'there is no request log whose name starts with {self.prefix}')
                return
            if not any_new:
                yield None
                time.sleep(POLL_SECONDS)

    def _files(self) -> list[tuple[str, Records]]:
        """Returns all files, oldest first.

        The server writes to a name with `.partial` and renames the file later; both names are one file.
        """
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
            if name in self._open_files:
                continue
            try:
                self._open_files[name] = Records(path, self.positions.get(name, 0))
            except ServingError as error:
                if not isinstance(
                    error.__cause__, FileNotFoundError
                ):  # renamed between glob and open: the next call finds it
                    raise
        return sorted(self._open_files.items())
