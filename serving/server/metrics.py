"""What the server counts: the stock server's metrics, and our own per version and signature."""

import threading
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from vaiven.serving.common.prometheus_text import Counter, Histogram, Labels
from vaiven.serving.server.metric_registry import MetricRegistry

UNKNOWN = 'unknown'
# Versions of one model that have series of their own; of more, the one loaded first loses its own.
MAX_VERSIONS = 64

States = Callable[[], Iterable[tuple[str, int, str]]]


class _Cells(NamedTuple):
    """All that one kind of request counts into."""

    total: Counter
    latency: Histogram
    stock_count: Counter
    stock_latency: Histogram | None
    model: str


class Metrics:
    """Counts from any thread, and renders the page that Prometheus reads.

    Names of models and signatures that were never `loaded` come from clients: they are counted under "unknown", so
    that nobody can make the page grow. Times are in seconds here and in microseconds on the page.
    """

    def __init__(self, version: str = '', tensorflow: str = '', states: States | None = None) -> None:
        """
        Args:
            version: of this server, for `vaiven_build_info`.
            tensorflow: TensorFlow's version, likewise.
            states: the versions there are when a page is rendered, as (model, version, name of the state).
        """
        self._lock = threading.Lock()
        self._states = states
        self._signatures: dict[str, dict[int, frozenset[str]]] = {}
        self._cells: dict[tuple[str, int | None, str, str, str, str], _Cells] = {}
        self._families = MetricRegistry()
        self._families.build.cell(version, tensorflow).value = 1

    # -- which names are real ----------------------------------------------------------------------------

    def loaded(self, model: str, version: int, signatures: Collection[str]) -> None:
        """Says that a version is served from now on, and by which signatures: their names are counted as such."""
        with self._lock:
            known = self._signatures.setdefault(model, {})
            known.pop(version, None)
            known[version] = frozenset(signatures)
            while len(known) > MAX_VERSIONS:
                self._forget(model, next(iter(known)))

    def forget(self, model: str) -> None:
        """Drops all series of a model that is not served any more; if it comes again they start from 0."""
        with self._lock:
            self._signatures.pop(model, None)
            self._cells = {key: cells for key, cells in self._cells.items() if key[0] != model}
            for family in self._families.all():
                family.forget_where(('model_name', 'model'), model)

    def _forget(self, model: str, version: int) -> None:
        del self._signatures[model][version]
        for key in [key for key in self._cells if key[:2] == (model, version)]:
            del self._cells[key]
            labels = _labels(*key)
            self._families.count.forget(labels)
            self._families.latency.forget(labels)

    # -- what requests record ----------------------------------------------------------------------------

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
        """Counts one request that was answered.

        Args:
            model: name in the request.
            version: the version that answered; None where none was found.
            signature: its name, resolved ("serving_default" for none); "" where there is no one signature.
            api: as upstream says: Predict, Classify, … of gRPC, predict, classify, … of REST.
            entrypoint: GRPC or REST.
            status: name of the canonical code, as `Code.OK.name`. Stock latencies are of OK answers only.
            seconds: from its arrival to its answer.
            examples: tensorflow.Examples in it; 0 where it has none by its kind.
        """
        microseconds = seconds * 1e6
        key = (model, version, signature, api, entrypoint, status)
        with self._lock:
            cells = self._cells.get(key) or self._find(key)
            cells.total.value += 1
            cells.latency.add(microseconds)
            cells.stock_count.value += 1
            if cells.stock_latency is not None:
                cells.stock_latency.add(microseconds)
            if examples:
                self._families.examples.histogram(cells.model).add(examples)
                self._families.example_total.cell(cells.model).value += examples

    def _find(self, key: tuple[str, int | None, str, str, str, str]) -> _Cells:
        """The cells of a kind of request not seen yet; they are kept under names that are known only."""
        model, version, signature, api, entrypoint, status = key
        versions = self._signatures.get(model)
        if versions is None:
            model, version, signature = UNKNOWN, None, signature and UNKNOWN
        elif version not in versions:
            version, signature = None, signature and UNKNOWN
        elif signature and signature not in versions[version]:
            signature = UNKNOWN
        key = (model, version, signature, api, entrypoint, status)
        found = self._cells.get(key)
        if found is None:
            labels = _labels(*key)
            found = self._cells[key] = _Cells(
                self._families.count.cell(*labels),
                self._families.latency.histogram(*labels),
                self._families.stock_count.cell(model, status),
                self._families.stock_latency.histogram(model, api, entrypoint) if status == 'OK' else None,
                model,
            )
        return found

    def in_flight(self, entrypoint: str, change: int) -> None:
        """Notes that `change` requests (1 or -1) more are being answered."""
        with self._lock:
            self._families.in_flight.cell(entrypoint).value += change

    def runtime(self, model: str, api: str, seconds: float) -> None:
        """Time that TensorFlow ran for one request to a version that is served."""
        with self._lock:
            self._families.runtime.histogram(model, api, 'TF1').add(seconds * 1e6)

    def warmed_up(self, path: str, status: str, seconds: float) -> None:
        """The warm-up of the version folder `path` ended, with that code's name."""
        with self._lock:
            self._families.warmup.histogram(path, status).add(seconds * 1e6)

    def queued(self, seconds: float, pool: str = '') -> None:
        """Time that one task waited for its batch, in the thread pool of that name."""
        with self._lock:
            self._families.queuing.histogram(pool).add(seconds * 1e6)

    def batch_input(self, rows: int) -> None:
        """One task of so many rows came to be batched."""
        with self._lock:
            self._families.input_size.histogram().add(rows)

    def batch_run(self, rows: int, padding: int) -> None:
        """One batch ran: `rows` in all, `padding` of them to come up to an allowed size."""
        with self._lock:
            self._families.processed_size.histogram().add(rows)
            self._families.padding.histogram(str(rows)).add(padding)
            self._families.runs.cell().value += 1

    def logged(self, model: str, status: str, records: int = 1) -> None:
        """So many sampled requests were logged (status "OK") or dropped (another code's name)."""
        with self._lock:
            self._families.logged.cell(model, status).value += records
            if status != 'OK':
                self._families.dropped.cell(model).value += records

    # -- the page ----------------------------------------------------------------------------------------

    def value(self, name: str) -> int:
        """The first number of the stock counter `name`, as "/tensorflow/serving/request_count"; 0 for no such.

        It is what HandleReloadConfigRequest tells of its `metric_names`, before and after.
        """
        name = name.replace('/', ':')
        with self._lock:
            return next((family.first() for family in self._families.all() if family.name == name), 0)

    def render(self) -> str:
        """All of it, in Prometheus' text format 0.0.4; may take some milliseconds, during which others can count."""
        states = self._families.states()
        for model, version, name in self._states() if self._states is not None else ():
            states.cell(model, str(version), name).value = 1
        with self._lock:
            pages = [family.snapshot() for family in (*self._families.all(), states)]
        return '\n'.join(line for page in pages for line in page()) + '\n'


def _labels(
    model: str, version: int | None, signature: str, api: str, entrypoint: str, status: str
) -> Labels:
    return (model, UNKNOWN if version is None else str(version), signature, api, entrypoint, status)
