"""Counters, gauges and histograms, and how Prometheus reads them: text format 0.0.4.

A family holds the cells of one metric, one for each combination of label values. Nothing here locks:
code that records and code that takes a snapshot must hold the same lock; formatting a snapshot needs none.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence

CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

Labels = tuple[str, ...]


def exponential(scale: float, growth: float, count: int) -> tuple[float, ...]:
    """`count` limits of buckets: scale, scale·growth, scale·growth², … (one more bucket, +Inf, is implied)."""
    limits = [scale]
    while len(limits) < count:
        limits.append(limits[-1] * growth)
    return tuple(limits)


class Histogram:
    """How often values fell into which bucket, and their sum."""

    __slots__ = ('_find', 'counts', 'limits', 'total')

    def __init__(self, limits: tuple[float, ...], *, inclusive: bool = True) -> None:
        """A bucket holds values up to its limit; the stock server's (not `inclusive`) only values below it."""
        self.limits = limits
        self.counts = [0] * (len(limits) + 1)
        self.total = 0.0
        self._find = bisect_left if inclusive else bisect_right

    def add(self, value: float) -> None:
        self.counts[self._find(self.limits, value)] += 1
        self.total += value


class Counter:
    """A number that only grows (or, in a gauge, one that is set)."""

    __slots__ = ('value',)

    def __init__(self) -> None:
        self.value = 0


class Family:
    """One metric with its labels. `help` is left out where the stock server has none."""

    def __init__(self, name: str, labels: Sequence[str] = (), help: str = '', kind: str = 'counter') -> None:
        self.name = name
        self.labels = tuple(labels)
        self.kind = kind
        self._help = help
        self._cells: dict[Labels, Counter] = {}

    def cell(self, *values: str) -> Counter:
        """The cell of these label values, made at its first use."""
        found = self._cells.get(values)
        if found is None:
            found = self._cells[values] = Counter()
        return found

    def forget(self, values: Labels) -> None:
        """Drops the cell of these label values, if there is one."""
        self._cells.pop(values, None)

    def forget_where(self, labels: Collection[str], value: str) -> None:
        """Drops the cells in which one of `labels` has that value."""
        places = [place for place, label in enumerate(self.labels) if label in labels]
        for values in self._seen():
            if any(values[place] == value for place in places):
                self.forget(values)

    def _seen(self) -> list[Labels]:
        return list(self._cells)

    def header(self) -> list[str]:
        lines = [f'# HELP {self.name} {_escaped_help(self._help)}'] if self._help else []
        return [*lines, f'# TYPE {self.name} {self.kind}']

    def first(self) -> int:
        """The value of the cell that was made first; 0 if there is none."""
        return next((cell.value for cell in self._cells.values()), 0)

    def snapshot(self) -> Callable[[], list[str]]:
        """What writes the cells as they are now: lines of the exposition format, in the order of the labels."""
        now = [(values, cell.value) for values, cell in self._cells.items()]
        return lambda: [
            *self.header(),
            *(f'{self.name}{{{_pairs(self.labels, values)}}} {value}' for values, value in sorted(now)),
        ]


class HistogramFamily(Family):
    """A metric whose cells are histograms."""

    def __init__(
        self,
        name: str,
        labels: Sequence[str],
        limits: tuple[float, ...],
        help: str = '',
        *,
        inclusive: bool = True,
    ) -> None:
        super().__init__(name, labels, help, 'histogram')
        self._limits = limits
        self._inclusive = inclusive
        self._bounds = [*(f'{limit:.6g}' for limit in limits), '+Inf']
        self._histograms: dict[Labels, Histogram] = {}

    def histogram(self, *values: str) -> Histogram:
        """The histogram of these label values, made at its first use."""
        found = self._histograms.get(values)
        if found is None:
            found = self._histograms[values] = Histogram(self._limits, inclusive=self._inclusive)
        return found

    def forget(self, values: Labels) -> None:
        self._histograms.pop(values, None)

    def _seen(self) -> list[Labels]:
        return list(self._histograms)

    def snapshot(self) -> Callable[[], list[str]]:
        now = [(values, [*cell.counts], cell.total) for values, cell in self._histograms.items()]
        return lambda: [*self.header(), *(line for cell in sorted(now) for line in self._lines(*cell))]

    def _lines(self, values: Labels, counts: list[int], total: float) -> Iterator[str]:
        pairs = _pairs(self.labels, values)
        before = f'{self.name}_bucket{{{pairs}{"," if pairs else ""}le="'
        running = 0
        for bound, count in zip(self._bounds, counts, strict=True):
            running += count
            yield f'{before}{bound}"}} {running}'
        yield f'{self.name}_sum{{{pairs}}} {_number(total)}'
        yield f'{self.name}_count{{{pairs}}} {running}'


def _pairs(names: Labels, values: Labels) -> str:
    return ','.join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')


def _escaped_help(text: str) -> str:
    return text.replace('\\', '\\\\').replace('\n', '\\n')


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
