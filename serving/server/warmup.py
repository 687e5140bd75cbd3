"""Warm-up: runs the recorded requests in `assets.extra` after a load, before the version takes traffic.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.common.tfrecords import Records
from vaiven.serving.server import inference
from vaiven.serving.server.batch_tasks import Run
from vaiven.serving.server.inference import Servable
from vaiven.serving.server.steps import run_synchronously
from vaiven.serving.wire import messages

FILE = Path('assets.extra') / 'tf_serving_warmup_requests'
MAX_RECORDS = 1000  # upstream's limit (WarmupConsts::kMaxNumRecords)

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
    """The records of a TFRecord file; none if the file does not exist.

    Checksums are not verified: a damaged record fails to parse or to run.

    Raises:
        StatusError: DATA_LOSS if the file is truncated or cannot be read.
    """
    if not path.exists():
        return
    try:
        with Records(path) as file:
            number = 1
            while (record := file.next()) is not None:
                yield record
                number += 1
            # `next` also returns None before an incomplete record, which a process may still be writing. A warm-up
            # file is complete.
            if file.place < path.stat().st_size:
                raise StatusError(Code.DATA_LOSS, f'truncated record in {path}, record {number}')
    except ServingError as error:
        raise StatusError(Code.DATA_LOSS, str(error)) from error
