"""Warm-up: runs the recorded requests in `assets.extra` after a load, before the version takes traffic.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.server import inference
from vaiven.serving.server.batch_queue import Run
from vaiven.serving.server.execution import run_synchronously
from vaiven.serving.server.inference import Servable
from vaiven.serving.wire import messages

FILE = Path('assets.extra') / 'tf_serving_warmup_requests'
MAX_RECORDS = 1000  # upstream's limit (WarmupConsts::kMaxNumRecords)
# A record: its length (8 bytes), checksum of the length (4), the data, checksum of the data (4).
_HEADER = struct.Struct('<QI')
_FOOTER_BYTES = 4
_MAX_RECORD_BYTES = 1 << 30  # a length above it means a damaged file, and must not be allocated

_REQUEST_STEPS = {
    'predict_log': inference.predict,
    'classify_log': inference.classify,
    'regress_log': inference.regress,
    'multi_inference_log': inference.multi_inference,
}


def warm_up(servable: Servable, path: Path, run: Run, iterations: int = 1) -> int:
    """Runs the warm-up records of a version, and returns their number.

    Args:
        servable: the loaded model.
        path: folder of the version.
        run: runs the model.
        iterations: how often each record runs.

    Raises:
        StatusError: a record cannot be read, has an unknown type, or fails. As upstream, the load then fails.
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
            run_synchronously(
                _REQUEST_STEPS[kind](servable, request), lambda feeds, fetches: run(feeds, fetches, None)
            )
    return count


def records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file; none if the file does not exist. Raises StatusError if it is truncated.

    Checksums are not verified: a damaged record fails to parse or to run.
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
