"""Loads versions into memory, warms them up, and sets up how their requests run."""

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial

from vaiven.serving.common import log
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server import batching_parameters, session
from vaiven.serving.server.batch_tasks import Run
from vaiven.serving.server.batch_threads import BatchThreads
from vaiven.serving.server.batching import Batcher
from vaiven.serving.server.endpoints import row_outputs
from vaiven.serving.server.execution import Execution, LoadedModel
from vaiven.serving.server.flags import Options
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.run_slots import RunSlots
from vaiven.serving.server.saved_model import RunVariants, SavedModel
from vaiven.serving.server.steps import Arrays, Feeds
from vaiven.serving.server.tflite import TfliteModel
from vaiven.serving.server.version import Version
from vaiven.serving.server.warmup import FILE, warm_up


class Loader:
    """Loads versions by the server's flags. `load` may be called from any thread."""

    def __init__(self, options: Options, workers: Executor, metrics: Metrics | None = None) -> None:
        """Imports TensorFlow.

        Args:
            options: the server's flags.
            workers: threads for callers in the event loop.
            metrics: counts warm-ups and batches.

        Raises:
            ServingError: a session or batching file cannot be read or is invalid.
        """
        self._options = options
        self._workers = workers
        self._slots = RunSlots(options.grpc_max_threads or 4 * (os.cpu_count() or 1))
        self._metrics = metrics
        self._session, self._batching = session.session_options(options)
        self._has_loaded = False  # another version may be answering requests
        self._run_variants: defaultdict[str, RunVariants] = defaultdict(RunVariants)  # by model
        # One pool for all models, as upstream.
        self.batch_threads = BatchThreads(self._batching.threads) if self._batching is not None else None

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the meta graph that is loaded."""
        return self._session.tags

    def remove_model(self, name: str) -> None:
        """Drops what is known of the requests of a model that is no longer served."""
        self._run_variants.pop(name, None)

    def load(self, version: Version) -> Execution:
        """The version, warmed up and ready for traffic. Raises StatusError if it does not load."""
        tflite = version.path / TfliteModel.FILE
        model: LoadedModel
        if self._session.tflite and tflite.is_file():
            model = TfliteModel(tflite, self._session.interpreters)
        else:
            model = SavedModel(version.path, self._session, self._run_variants[version.name])
        try:
            execution = Execution(
                model, self._workers, self._slots, version, lambda run: self._new_batcher(version, model, run)
            )
            warmed_up = self._options.enable_model_warmup and self._warm_up(version, execution)
            if isinstance(model, SavedModel):
                model.end_warm_up()
            elif not warmed_up:
                # TensorFlow Lite finds a missing operation only in a run: better here than in the first request.
                model.run_signatures()
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
        self._has_loaded = True
        return execution

    def _warm_up(self, version: Version, execution: Execution) -> int:
        """Runs the warm-up records of the version, and returns their number. Raises StatusError if one fails."""
        start = time.monotonic()
        servable = _LoadingVersion(version.name, version.number, execution.model)
        code = Code.OK
        try:
            iterations = self._options.num_request_iterations_for_warmup
            count = warm_up(
                servable,
                version.path,
                partial(_run_all_variants, execution, self._has_loaded),
                iterations,
            )
        except StatusError as error:
            code = error.code
            raise
        finally:
            seconds = time.monotonic() - start
            if self._metrics is not None and (version.path / FILE).is_file():
                self._metrics.warmed_up(str(version.path), code.name, seconds)
        if count:
            log.event('warmed up', model=version.name, version=version.number, records=count, seconds=seconds)
        return count

    def _new_batcher(self, version: Version, model: LoadedModel, run: Run) -> Batcher | None:
        parameters = self._batching
        if self._options.enable_per_model_batching_parameters:
            # Upstream does not batch a version without this file, whatever the global parameters are.
            file = version.path / batching_parameters.FILE
            parameters = batching_parameters.read(file) if file.is_file() else None
        if parameters is None or self.batch_threads is None:
            return None
        outputs = row_outputs(model.signatures)
        return Batcher(parameters, self.batch_threads, run, version, self._metrics, outputs)


def _run_all_variants(
    execution: Execution,
    single_threaded: bool,
    feeds: Feeds,
    fetches: Sequence[str],
    deadline: float | None,
) -> Arrays:
    """Runs a record as a request would, or in this thread alone, and the model once in each variant of requests.

    With TensorFlow's other threads, warm-up would take the cores from the requests to the loaded versions.
    """
    run = partial(execution.run_measured, single_threaded=single_threaded)
    batcher = execution.batcher
    if batcher is not None and batcher.can_batch(feeds, fetches):
        values = batcher.run_synchronously(feeds, fetches, run)
    else:
        values = run(feeds, fetches)
    if isinstance(execution.model, SavedModel):
        execution.model.prepare(feeds, fetches)
    return values


class _LoadingVersion:
    """A `Servable` for warm-up: the version itself is not AVAILABLE yet."""

    def __init__(self, name: str, number: int, model: LoadedModel) -> None:
        self.name = name
        self.number = number
        self.model = model
