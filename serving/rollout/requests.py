"""What is asked of two versions: rows of a file, or the requests that a server logged."""

import csv
import io
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from vaiven.serving.errors import ServingError
from vaiven.serving.rollout.records import Records
from vaiven.serving.wire import messages, tensors

TEXT, LABEL = 'text', 'label'
DEFAULT_SIGNATURE = 'serving_default'
LOOK_SECONDS = 0.5
# How the pipeline's own data say what the models call positive and negative.
OPINIONS = {
    **dict.fromkeys(('1', '+1', 'positive', 'pos', 'true', 'positivo', 'positiva'), 'positive'),
    **dict.fromkeys(('0', '-1', 'negative', 'neg', 'false', 'negativo', 'negativa'), 'negative'),
}
NO_LABEL = ('', 'unlabelled', 'unlabeled', 'none', 'null', 'nan')


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


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table: of the text, and of what it should be taken for."""

    text: str = TEXT
    label: str = LABEL


def read(path: Path, columns: Columns | None = None) -> list[Asked]:
    """The requests in a file: .csv, .tsv, .jsonl, .txt (a text a line), or .tfrecord of PredictionLog.

    Raises:
        ServingError: the file cannot be read, is of no such kind, lacks the column, or holds no request.
    """
    named = columns or Columns()
    try:
        logged = path.suffix in ('.tfrecord', '.partial')
        found = list(_logged(path) if logged else _rows(path, named))
    except OSError as error:
        raise ServingError(f'cannot read {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise ServingError(
            f'{path} is not UTF-8 (byte {error.start + 1}): convert it, as with iconv'
        ) from error
    except csv.Error as error:
        raise ServingError(f'{path} is no such table: {error}') from error
    if not found:
        raise ServingError(f'{path} holds no request')
    return found


def _rows(path: Path, columns: Columns) -> Iterator[Asked]:
    if path.suffix not in ('.csv', '.tsv', '.jsonl', '.txt'):
        raise ServingError(f'requests come as .csv, .tsv, .jsonl, .txt or .tfrecord. Received: {path.name}')
    text = path.read_bytes().decode('utf-8-sig')
    if path.suffix == '.txt':
        yield from (_asked(line, None) for line in text.splitlines() if line)
    elif path.suffix == '.jsonl':
        for number, line in enumerate(text.split('\n'), 1):
            if line.strip():
                yield _object(line, columns, f'line {number} of {path}')
    else:
        tabs = path.suffix == '.tsv'
        rows = csv.DictReader(
            io.StringIO(text, newline=''),
            delimiter='\t' if tabs else ',',
            quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
        )
        if columns.text not in (rows.fieldnames or ()):
            raise ServingError(
                f'{path} has no column {columns.text!r}; it has: {", ".join(rows.fieldnames or ())}'
            )
        yield from (_asked(row[columns.text] or '', row.get(columns.label)) for row in rows)


def _object(line: str, columns: Columns, where: str) -> Asked:
    try:
        row = json.loads(line)
        text, label = row[columns.text], row.get(columns.label)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = label = None
    if not isinstance(text, str):
        raise ServingError(f'{where} is no object with a text {columns.text!r}')
    return _asked(text, None if label is None else str(label))


def _asked(text: str, label: str | None) -> Asked:
    cleaned = (label or '').strip()
    truth = None if cleaned.lower() in NO_LABEL else OPINIONS.get(cleaned.lower(), cleaned)
    return Asked({TEXT: [text]}, truth=truth)


def _logged(path: Path) -> Iterator[Asked]:
    with Records(path) as records:
        while (record := records.next()) is not None:
            if (asked := of_record(record, path)) is not None:
                yield asked


def of_record(record: bytes, path: Path) -> Asked | None:
    """The request of a PredictionLog, if it is one of Predict; others are passed over.

    Raises:
        ServingError: the record is none, or holds a tensor that is none.
    """
    try:
        log = messages.PredictionLog.FromString(record)
        if log.WhichOneof('log_type') != 'predict_log':
            return None
        request = log.predict_log.request
        inputs = {name: tensors.to_array(proto) for name, proto in request.inputs.items()}
    except (DecodeError, ValueError) as error:
        raise ServingError(f'{path} is no log of requests: {error}') from error
    return Asked(inputs, request.model_spec.signature_name or DEFAULT_SIGNATURE)


def sampled(requests: list[Asked], seed: int | None = None) -> Iterator[Asked]:
    """One after the other, drawn at random for ever: what was drawn says nothing of what comes."""
    draw = random.Random(seed)
    while True:
        yield draw.choice(requests)


@dataclass
class Log:
    """The request log of a server, also while it is written: files whose names begin with `prefix`.

    Attributes:
        prefix: the `filename_prefix` of the server's logging_config, a folder of such files, or one file.
        follow: whether to wait for what is logged later.
    """

    prefix: Path
    follow: bool = False
    _begun: dict[str, Records] = field(default_factory=dict)

    def requests(self) -> Iterator[Asked | None]:
        """The requests from the first on; None while there is nothing new. Raises ServingError."""
        while True:
            found = False
            for records in self._files():
                while (record := records.next()) is not None:
                    if (asked := of_record(record, records.path)) is not None:
                        found = True
                        yield asked
            if not self.follow:
                if not self._begun:
                    raise ServingError(f'no log of requests begins with {self.prefix}')
                return
            if not found:
                yield None
                time.sleep(LOOK_SECONDS)

    def _files(self) -> list[Records]:
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
            if name not in self._begun:
                self._begun[name] = Records(path)
        return [self._begun[name] for name in sorted(self._begun)]
