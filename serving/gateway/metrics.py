"""The metrics of the gateway."""

import importlib.metadata
import threading
from typing import NamedTuple

from vaiven.serving.common.prometheus_text import Counter, Family, Histogram, HistogramFamily, exponential
from vaiven.serving.common.split import Split
from vaiven.serving.gateway.routing import Route

SECONDS = exponential(0.0001, 2, 19)  # to 26 seconds


class _Cells(NamedTuple):
    requests: Counter
    seconds: Histogram


class Metrics:
    """Requests by model, label and code, their latencies, and the shares of the splits. It is thread-safe."""

    def __init__(self) -> None:
        labels = ('model', 'label')
        self._requests = Family(
            'vaiven_gateway_requests_total', (*labels, 'code'), 'Requests answered, with or without success.'
        )
        self._seconds = HistogramFamily(
            'vaiven_gateway_request_seconds', labels, SECONDS, 'Time to answer a request.'
        )
        self._in_flight = Family(
            'vaiven_gateway_requests_in_flight', ('port',), 'Requests being answered now.', 'gauge'
        )
        self._build = Family('vaiven_build_info', ('version',), 'Version of the gateway, always 1.', 'gauge')
        self._build.cell(importlib.metadata.version('vaiven')).value = 1
        self._cells: dict[tuple[Route, str], _Cells] = {}
        self._lock = threading.Lock()

    def request(self, route: Route, code: str, seconds: float) -> None:
        """Counts a completed request with the name of its canonical code."""
        with self._lock:
            cells = self._cells.get((route, code))
            if cells is None:
                cells = self._cells[route, code] = _Cells(
                    self._requests.cell(*route, code), self._seconds.histogram(*route)
                )
            cells.requests.value += 1
            cells.seconds.add(seconds)

    def in_flight(self, port: str) -> Counter:
        """The gauge of requests in flight of a port, `grpc` or `rest`."""
        return self._in_flight.cell(port)

    def render(self, splits: dict[str, Split | None]) -> str:
        """Formats all metrics in Prometheus' text format 0.0.4."""
        percent = Family(
            'vaiven_gateway_split_percent', ('model', 'label'), 'Planned share of the traffic.', 'gauge'
        )
        for model, split in splits.items():
            for label, share in split.weights.items() if split is not None else ():
                percent.cell(model, label).value = share  # type: ignore[assignment]  # counters hold floats, too
        with self._lock:
            families = (self._requests, self._seconds, self._in_flight, percent, self._build)
            pages = [family.snapshot() for family in families]
        return '\n'.join(line for page in pages for line in page()) + '\n'
