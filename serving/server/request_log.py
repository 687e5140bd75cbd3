"""Request logging: a sample of a model's requests and responses, as its `logging_config` says.

Each is a PredictionLog in a TFRecord file. A file has at most 1000 records, so it can serve unchanged as a version's
`assets.extra/tf_serving_warmup_requests`. The stock server fails to start with a `logging_config` (tensorflow/serving
#408): its open-source build has no log collector.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

from vaiven.serving.common import log
from vaiven.serving.common.status import invalid_argument
from vaiven.serving.server.inference import DEFAULT_SIGNATURE
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.tfrecord_writer import RecordWriter
from vaiven.serving.wire import messages

TYPES = ('', 'tfrecord')


def check(model: str, config: Any) -> None:
    """Checks a LoggingConfig, and writes nothing.

    Args:
        model: name of the model, for messages.
        config: its LoggingConfig.

    Raises:
        StatusError: it is not supported, or its folder is missing or not writable.
    """
    where = f'logging_config of model {model}'
    collector, rate = config.log_collector_config, config.sampling_config.sampling_rate
    if config.HasField('custom_logging_config'):
        raise invalid_argument(f'{where}: custom_logging_config is not supported: leave it out')
    if collector.type.lower() not in TYPES:
        raise invalid_argument(f'{where}: type must be "tfrecord". Received: "{collector.type}"')
    if not 0 <= rate <= 1:
        raise invalid_argument(f'{where}: sampling_rate must be from 0 to 1. Received: {rate}')
    prefix = collector.filename_prefix
    if '\0' in prefix or not os.path.isabs(prefix):
        raise invalid_argument(f'{where}: filename_prefix must be an absolute path. Received: {prefix!r}')
    folder = Path(os.path.dirname(prefix))
    # Not created: a typing error in a prefix must not fill a disk somewhere else.
    if not folder.is_dir():
        raise invalid_argument(f'{where}: no such folder: {folder}: create it, or change filename_prefix')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise invalid_argument(
            f'{where}: folder {folder} is not writable: change its mode, or filename_prefix'
        )


class RequestLog:
    """Logs requests of one model: call `write` for each that is `sampled`, and `close` at the end.

    It is thread-safe. Only `close` waits for the disk, and `write` raises nothing: logging must not fail a request.

    Attributes:
        model_name: name of the model.
        config: its LoggingConfig.
    """

    def __init__(
        self,
        model_name: str,
        config: Any,
        *,
        tags: tuple[str, ...] = ('serve',),
        metrics: Metrics | None = None,
    ) -> None:
        """
        Args:
            model_name: name of the model.
            config: its LoggingConfig.
            tags: tags of the meta graph that is loaded.
            metrics: counts logged and dropped requests.

        Raises:
            StatusError: as `check`.
        """
        check(model_name, config)
        self.model_name = model_name
        self.config = config
        self._rate: float = config.sampling_config.sampling_rate
        self._tags = tags

        def report(status: str, records: int) -> None:
            if metrics is not None and records:
                metrics.logged(model_name, status, records)

        folder, name = os.path.split(config.log_collector_config.filename_prefix)
        # Links are resolved now: a link that is changed later must not lead the log out of the checked folder.
        self._files = RecordWriter(os.path.join(os.path.realpath(folder), name), model_name, report)

    def sampled(self) -> bool:
        """Whether the next request is in the sample; decided at random for each call."""
        return bool(random.random() < self._rate)

    def write(self, kind: str, request: Any, response: Any, version: int) -> None:
        """Logs a request. It and its response are copied and may be changed afterwards.

        Args:
            kind: predict, classify, regress or multi_inference.
            request: the request message.
            response: its response message.
            version: number of the version that answered.
        """
        try:
            self._files.put(self._record(kind, request, response, version))
        except Exception as error:
            log.problem('request log', model=self.model_name, error=f'{type(error).__name__}: {error}')

    def close(self) -> None:
        """Writes the queued records and completes the file. Waits for at most 10 seconds."""
        self._files.close()

    def _record(self, kind: str, request: Any, response: Any, version: int) -> bytes:
        record = messages.PredictionLog()
        entry = getattr(record, f'{kind}_log')
        entry.request.CopyFrom(request)
        entry.response.CopyFrom(response)
        spec = (request.tasks[0] if kind == 'multi_inference' else request).model_spec
        metadata = record.log_metadata
        metadata.model_spec.name = self.model_name
        metadata.model_spec.version.value = version
        metadata.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE
        metadata.sampling_config.CopyFrom(self.config.sampling_config)
        metadata.saved_model_tags.extend(self._tags)
        metadata.timestamp_secs = int(time.time())
        data: bytes = record.SerializeToString()
        return data
