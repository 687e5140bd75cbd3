"""Request logging: a sample of the requests of a model, with their answers, as its `logging_config` says.

Each is a PredictionLog in a TFRecord file, see `record_file` for the names; a file has at most 1000 records, so that
it is good as a version's `assets.extra/tf_serving_warmup_requests` as it is. The stock server accepts no logging
configuration at all: its open build has no collector to write with.
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
from vaiven.serving.server.tfrecord_writer import RecordFiles
from vaiven.serving.wire import messages

TYPES = ('', 'tfrecord')


def check(model: str, config: Any) -> None:
    """Raises StatusError where the LoggingConfig of `model` cannot be followed. Writes nothing."""
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
    if not folder.is_dir():
        raise invalid_argument(f'{where}: no such folder: {folder}: make it, or change filename_prefix')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise invalid_argument(
            f'{where}: folder {folder} is not writable: change its mode, or filename_prefix'
        )


class RequestLog:
    """Logs requests of one model. Where `wants` says so, `write` what was asked and answered; `close` at the end.

    All methods may be called from any thread, none waits for the disk (but `close`), and `write` raises nothing.
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
            model_name: whose requests these are.
            config: its LoggingConfig.
            tags: the tags that its SavedModels are loaded by.
            metrics: counts what is logged and what is dropped.

        Raises:
            StatusError: as `check`.
        """
        check(model_name, config)
        self.model_name = model_name
        self.config = config
        self._rate = config.sampling_config.sampling_rate
        self._tags = tags

        def tell(status: str, records: int) -> None:
            if metrics is not None and records:
                metrics.logged(model_name, status, records)

        folder, name = os.path.split(config.log_collector_config.filename_prefix)
        # The folder that was checked stays the one that is written to, whatever its links say later.
        self._files = RecordFiles(os.path.join(os.path.realpath(folder), name), model_name, tell)

    def wants(self) -> bool:
        """Whether this request is in the sample."""
        return bool(random.random() < self._rate)

    def write(self, kind: str, request: Any, response: Any, version: int) -> None:
        """Logs one request; it and its response are copied, and may be changed afterwards.

        Args:
            kind: predict, classify, regress or multi_inference.
            request: the request message of that kind, as it came.
            response: its answer.
            version: the version that gave it.
        """
        try:
            self._files.put(self._record(kind, request, response, version))
        except Exception as error:
            log.problem('request log', model=self.model_name, error=f'{type(error).__name__}: {error}')

    def close(self) -> None:
        """Writes what is queued and completes the file; waits for that, but not for ever."""
        self._files.close()

    def _record(self, kind: str, request: Any, response: Any, version: int) -> bytes:
        record = messages.PredictionLog()
        entry = getattr(record, f'{kind}_log')
        entry.request.CopyFrom(request)
        entry.response.CopyFrom(response)
        spec = (request.tasks[0] if kind == 'multi_inference' else request).model_spec
        about = record.log_metadata
        about.model_spec.name = self.model_name
        about.model_spec.version.value = version
        about.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE
        about.sampling_config.CopyFrom(self.config.sampling_config)
        about.saved_model_tags.extend(self._tags)
        about.timestamp_secs = int(time.time())
        data: bytes = record.SerializeToString()
        return data
