"""The counters of the server: the stock server's metrics, and others by version and signature."""

import threading
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from vaiven.serving.common.prometheus_text import Counter, Histogram, Labels
from vaiven.serving.server.metric_registry import MetricRegistry

UNKNOWN = 'unknown'
# Versions of a model with series of their own. With more, the series of the one that was loaded first are removed.
MAX_VERSIONS = 64

States = Callable[[], Iterable[tuple[str, int, str]]]


class _Cells(NamedTuple):
    """The counters of one kind of request, found by one look-up per request."""

    total: Counter
    latency: Histogram
    stock_count: Counter
    stock_latency: Histogram | None
    model: str


class Metrics:
    """Counts requests and renders the page that Prometheus reads. It is thread-safe.

    Names of models and signatures that were never `loaded` come from clients. They are counted as "unknown", so that
    no client can make the page grow. Times are seconds here, and microseconds on the page as upstream.
    """

    def __init__(self, version: str = '', tensorflow: str = '', states: States | None = None) -> None:
        """
        Args:
            version: version of this server, for `vaiven_build_info`.
            tensorflow: version of TensorFlow, for `vaiven_build_info`.
            states: returns the present versions as (model, version, name of the state); called for each page.
        """
        self._lock = threading.Lock()
        self._states = states
        self._signatures: dict[str, dict[int, frozenset[str]]] = {}
        self._cells: dict[tuple[str, int | None, str, str, str, str], _Cells] = {}
        self._registry = MetricRegistry()
        self._registry.build.cell(version, tensorflow).value = 1

    # -- names of models and signatures ------------------------------------------------------------------

    def loaded(self, model: str, version: int, signatures: Collection[str]) -> None:
        """Adds a version: requests to its signatures are counted under their names from now on.

        Args:
            model: name of the model.
            version: number of the version.
            signatures: names of its signatures.
        """
        with self._lock:
            versions = self._signatures.setdefault(model, {})
            versions.pop(version, None)  # loaded again: it becomes the last in the order
            versions[version] = frozenset(signatures)
            while len(versions) > MAX_VERSIONS:
                self._remove_version(model, next(iter(versions)))

    def remove_model(self, model: str) -> None:
        """Removes all series of a model that is no longer served. If it is added again, they start from 0."""
        with self._lock:
            self._signatures.pop(model, None)
            self._cells = {key: cells for key, cells in self._cells.items() if key[0] != model}
            for family in self._registry.all():
                family.forget_where(('model_name', 'model'), model)

    def _remove_version(self, model: str, version: int) -> None:
        del self._signatures[model][version]
        for key in [key for key in self._cells if key[:2] == (model, version)]:
            del self._cells[key]
            labels = _labels(*key)
            self._registry.count.forget(labels)
            self._registry.latency.forget(labels)

    # -- counting ----------------------------------------------------------------------------------------

    def request(
        self,
        model: str,
        version: int | None,
        signature: str,
        api: str,
        entrypoint: str,
        status: str,
        seconds: float,
        examples: int = 0,
    ) -> None:
        """Counts an answered request.

        Args:
            model: name in the request.
            version: the version that answered; None if none was found.
            signature: its resolved name ("serving_default" by default); "" for a request with several.
            api: upstream's name: Predict, Classify, … of gRPC, predict, classify, … of REST.
            entrypoint: GRPC or REST.
            status: name of the canonical code, such as `Code.OK.name`.
            seconds: time from its arrival to its response.
            examples: its tf.Examples; 0 for Predict.
        """
        microseconds = seconds * 1e6
        key = (model, version, signature, api, entrypoint, status)
        with self._lock:
            cells = self._cells.get(key) or self._resolve(key)
            cells.total.value += 1
            cells.latency.add(microseconds)
            cells.stock_count.value += 1
            if cells.stock_latency is not None:
                cells.stock_latency.add(microseconds)
            if examples:
                self._registry.examples.histogram(cells.model).add(examples)
                self._registry.example_total.cell(cells.model).value += examples

    def _resolve(self, key: tuple[str, int | None, str, str, str, str]) -> _Cells:
        """The cells of a new kind of request, with "unknown" for names of clients."""
        model, version, signature, api, entrypoint, status = key
        versions = self._signatures.get(model)
        if versions is None:
            model, version, signature = UNKNOWN, None, signature and UNKNOWN
        elif version not in versions:
            version, signature = None, signature and UNKNOWN
        elif signature and signature not in versions[version]:
            signature = UNKNOWN
        key = (model, version, signature, api, entrypoint, status)
        cells = self._cells.get(key)
        if cells is None:
            labels = _labels(*key)
            cells = self._cells[key] = _Cells(
                self._registry.count.cell(*labels),
                self._registry.latency.histogram(*labels),
                self._registry.stock_count.cell(model, status),
                # Upstream measures the latency of successful requests only.
                self._registry.stock_latency.histogram(model, api, entrypoint) if status == 'OK' else None,
                model,
            )
        return cells

    def in_flight(self, entrypoint: str, change: int) -> None:
        """Adds `change` (1 or -1) to the requests in progress."""
        with self._lock:
            self._registry.in_flight.cell(entrypoint).value += change

    def runtime(self, model: str, api: str, seconds: float) -> None:
        """Counts the time of TensorFlow for one request.

        Args:
            model: name of a served model.
            api: upstream's name, as for `request`.
            seconds: duration of the run.
        """
        with self._lock:
            self._registry.runtime.histogram(model, api, 'TF1').add(seconds * 1e6)

    def warmed_up(self, path: str, status: str, seconds: float) -> None:
        """Counts a warm-up.

        Args:
            path: folder of the version.
            status: name of the canonical code.
            seconds: its duration.
        """
        with self._lock:
            self._registry.warmup.histogram(path, status).add(seconds * 1e6)

    def queued(self, seconds: float, pool: str = '') -> None:
        """Counts the time that a task waited for its batch, under the name of the thread pool."""
        with self._lock:
            self._registry.queuing.histogram(pool).add(seconds * 1e6)

    def batch_input(self, rows: int) -> None:
        """Counts a task for a batch, with its number of rows."""
        with self._lock:
            self._registry.input_size.histogram().add(rows)

    def batch_run(self, rows: int, padding: int) -> None:
        """Counts a batch of `rows` rows, of which `padding` only bring it to an allowed size."""
        with self._lock:
            self._registry.processed_size.histogram().add(rows)
            self._registry.padding.histogram(str(rows)).add(padding)
            self._registry.runs.cell().value += 1

    def logged(self, model: str, status: str, records: int = 1) -> None:
        """Counts sampled requests that were logged or dropped.

        Args:
            model: name of the model.
            status: "OK" for logged ones, the name of another code for dropped ones.
            records: their number.
        """
        with self._lock:
            self._registry.logged.cell(model, status).value += records
            if status != 'OK':
                self._registry.dropped.cell(model).value += records

    # -- the page ----------------------------------------------------------------------------------------

    def value(self, name: str) -> int:
        """The first value of a stock counter, for the `metric_names` of HandleReloadConfigRequest.

        Args:
            name: such as "/tensorflow/serving/request_count".

        Returns:
            The value; 0 if there is no such counter.
        """
        name = name.replace('/', ':')
        with self._lock:
            return next((family.first() for family in self._registry.all() if family.name == name), 0)

    def render(self) -> str:
        """The page, in the text format 0.0.4 of Prometheus. It takes milliseconds: call it in a worker."""
        states = self._registry.states()
        for model, version, name in self._states() if self._states is not None else ():
            states.cell(model, str(version), name).value = 1
        # Only the snapshot holds the lock: requests must not wait for the text.
        with self._lock:
            pages = [family.snapshot() for family in (*self._registry.all(), states)]
        return '\n'.join(line for page in pages for line in page()) + '\n'


def _labels(
    model: str, version: int | None, signature: str, api: str, entrypoint: str, status: str
) -> Labels:
    return (model, UNKNOWN if version is None else str(version), signature, api, entrypoint, status)
