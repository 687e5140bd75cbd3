"""Brings a version into memory: its model, warmed up, and how its requests are run."""

import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Executor

from vaiven.serving.common import log
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server import batching_parameters, session
from vaiven.serving.server.batch_queue import BatchThreads
from vaiven.serving.server.batching import Batcher
from vaiven.serving.server.execution import Arrays, Execution, Feeds, LoadedModel
from vaiven.serving.server.flags import Options
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.saved_model import RunVariants, SavedModel
from vaiven.serving.server.tflite import TfliteModel
from vaiven.serving.server.version import Version
from vaiven.serving.server.warmup import FILE, warm_up


class Loader:
    """Loads versions as the options say. `load` may be called from any thread."""

    def __init__(self, options: Options, workers: Executor, metrics: Metrics | None = None) -> None:
        """Imports TensorFlow. Raises ServingError where a file of settings makes no sense."""
        self._options = options
        self._workers = workers
        self._metrics = metrics
        self._session, self._batching = session.settings(options)
        self._ways: defaultdict[str, RunVariants] = defaultdict(RunVariants)  # by model
        self.batch_threads = BatchThreads(self._batching.threads) if self._batching is not None else None

    @property
    def tags(self) -> tuple[str, ...]:
        """Of the meta graph that is loaded."""
        return self._session.tags

    def forget(self, name: str) -> None:
        """Forgets how requests ran a model that is not served any more."""
        self._ways.pop(name, None)

    def load(self, version: Version) -> Execution:
        """The version, ready for traffic. Raises StatusError."""
        tflite = version.path / TfliteModel.FILE
        model: LoadedModel
        if self._session.tflite and tflite.is_file():
            model = TfliteModel(tflite, self._session.interpreters)
        else:
            model = SavedModel(version.path, self._session, self._ways[version.name])
        try:
            execution = Execution(model, self._workers, version)
            execution.batcher = self._batcher(version, execution)
            warmed_up = self._options.enable_model_warmup and self._warm_up(version, execution)
            if isinstance(model, TfliteModel) and not warmed_up:
                model.try_out()
        except BaseException:
            model.close()
            raise
        for name, endpoint in sorted(model.endpoints.items()):
            if endpoint.unservable:
                log.problem(
                    'signature not served',
                    model=version.name,
                    version=version.number,
                    signature=name,
                    error=endpoint.unservable,
                )
        if self._metrics is not None:
            self._metrics.loaded(version.name, version.number, list(model.signatures))
        return execution

    def _warm_up(self, version: Version, execution: Execution) -> int:
        """Runs the records of the version; how many there were. Raises StatusError where one fails."""
        began = time.monotonic()
        trial = _Trial(version.name, version.number, execution.model)
        code = Code.OK
        try:
            iterations = self._options.num_request_iterations_for_warmup
            count = warm_up(trial, version.path, lambda *asked: _run_all_ways(execution, *asked), iterations)
        except StatusError as error:
            code = error.code
            raise
        finally:
            seconds = time.monotonic() - began
            if self._metrics is not None and (version.path / FILE).is_file():
                self._metrics.warmed_up(str(version.path), code.name, seconds)
        if count:
            log.event('warmed up', model=version.name, version=version.number, records=count, seconds=seconds)
        return count

    def _batcher(self, version: Version, execution: Execution) -> Batcher | None:
        parameters = self._batching
        if self._options.enable_per_model_batching_parameters:
            own = version.path / batching_parameters.FILE
            parameters = batching_parameters.read(own) if own.is_file() else None
        if parameters is None or self.batch_threads is None:
            return None
        return Batcher(parameters, self.batch_threads, execution.timed, version, self._metrics)


def _run_all_ways(
    execution: Execution, feeds: Feeds, fetches: Sequence[str], deadline: float | None
) -> Arrays:
    batcher = execution.batcher
    run = batcher.run_here if batcher is not None and batcher.takes(feeds) else execution.timed
    values = run(feeds, fetches, deadline)
    if isinstance(execution.model, SavedModel):
        execution.model.prepare(feeds, fetches)
    return values


class _Trial:
    """A version that takes no traffic yet."""

    def __init__(self, name: str, number: int, model: LoadedModel) -> None:
        self.name = name
        self.number = number
        self.model = model
