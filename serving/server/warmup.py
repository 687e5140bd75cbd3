"""Warm-up: the recorded requests in `assets.extra` are run after a load and before any traffic."""

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.server import inference
from vaiven.serving.server.batch_queue import Run
from vaiven.serving.server.execution import run_here
from vaiven.serving.server.inference import Servable
from vaiven.serving.wire import messages

FILE = Path('assets.extra') / 'tf_serving_warmup_requests'
MAX_RECORDS = 1000
# length (8 bytes) and its checksum (4) before a record, its own checksum (4) behind it
_HEADER = struct.Struct('<QI')
_FOOTER_BYTES = 4
_MAX_RECORD_BYTES = 1 << 30

_RUNS = {
    'predict_log': inference.predict,
    'classify_log': inference.classify,
    'regress_log': inference.regress,
    'multi_inference_log': inference.multi_inference,
}


def warm_up(servable: Servable, path: Path, run: Run, iterations: int = 1) -> int:
    """Runs the records of the version folder `path` by `run`, each `iterations` times; how many there were.

    Raises:
        StatusError: a record cannot be read, is of no kind that is known, or fails; upstream, too, takes
            that for a load that failed.
    """
    count = 0
    for record in records(path / FILE):
        count += 1
        if count > MAX_RECORDS:
            raise invalid_argument(f'Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}')
        try:
            log = messages.PredictionLog.FromString(record)
        except DecodeError as error:
            raise invalid_argument(f'Failed to parse warmup record {count} from {path}') from error
        kind = log.WhichOneof('log_type')
        if kind is None:
            raise StatusError(Code.UNIMPLEMENTED, f'Unsupported log_type for warmup: record {count}')
        request = getattr(log, kind).request
        for _ in range(max(1, iterations)):
            run_here(_RUNS[kind](servable, request), lambda feeds, fetches: run(feeds, fetches, None))
    return count


def records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, none if there is no file. Raises StatusError where it is cut short.

    Checksums are not compared: a damaged record fails to parse or to run.
    """
    try:
        file = path.open('rb')
    except FileNotFoundError:
        return
    with file:
        for number in itertools.count(1):
            header = file.read(_HEADER.size)
            if not header:
                return
            yield _record(file, header, f'{path}, record {number}')


def _record(file: BinaryIO, header: bytes, where: str) -> bytes:
    if len(header) == _HEADER.size:
        length, _ = _HEADER.unpack(header)
        if length <= _MAX_RECORD_BYTES:
            data = file.read(length + _FOOTER_BYTES)
            if len(data) == length + _FOOTER_BYTES:
                return data[:length]
    raise StatusError(Code.DATA_LOSS, f'truncated record in {where}')
