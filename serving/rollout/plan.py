"""The plan of an automatic rollout: a YAML file.

model: reviews
requests: held-out.csv          # or log: /logs/reviews, the server's request log
steps: [5, 25, 50, 100]         # percent; or {percent: 5, minimum_requests: 2000, minimum_seconds: 3600}
minimum_requests: 500           # of each step
minimum_seconds: 60
gates: {accuracy_drop: 0.02, drift: null}
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.gates import Limits
from vaiven.serving.rollout.request_tables import TEXT

PERCENTS = (5.0, 25.0, 50.0, 100.0)


class PlanError(ServingError):
    """The plan breaks a rule; the message names the entry."""


@dataclass(frozen=True)
class Step:
    """A share of the traffic, and the conditions for the next step.

    Attributes:
        percent: the canary's share.
        minimum_requests: number of pairs that both versions must answer in this step.
        minimum_seconds: minimum duration of the step.
    """

    percent: float
    minimum_requests: int
    minimum_seconds: float


@dataclass(frozen=True)
class Plan:
    """The plan of a rollout.

    Attributes:
        model: its name on the server.
        steps: with increasing percents, the last of 100; after it the version is promoted.
        requests: file of requests; they are drawn at random and sent to both versions.
        log: prefix of the server's request log, which is followed instead of `requests`.
        text_column: name of the text column of `requests`.
        label_column: name of the label column of `requests`; None for `label`, if there is one.
        maximum_requests: of the whole rollout; a version that has not passed every gate by then is rolled back.
        requests_per_second: maximum number of pairs per second; None for no limit.
        parallel: number of concurrent pairs; more than one makes latencies harder to compare.
        confidence: minimum probability that no gate ever errs in one direction.
        metrics: address of a metrics page of the gateway or the embedded server, for failures of live requests.
        gates: limits of the gates.
    """

    model: str
    steps: tuple[Step, ...]
    requests: Path | None = None
    log: Path | None = None
    text_column: str = TEXT
    label_column: str | None = None
    maximum_requests: int = 50_000
    requests_per_second: float | None = None
    parallel: int = 1
    confidence: float = 0.95
    metrics: str | None = None
    gates: Limits = field(default_factory=Limits)

    def to_values(self, folder: Path | None = None) -> dict[str, Any]:
        """Returns the plan as JSON values.

        Args:
            folder: paths are made relative to it, so that both can be moved together; None to keep them.
        """
        steps = [asdict(step) for step in self.steps]
        values = {**asdict(self), 'steps': steps}
        return {
            key: str(value if folder is None else os.path.relpath(value, folder))
            if isinstance(value, Path)
            else value
            for key, value in values.items()
        }

    def changes(self, earlier: Mapping[str, Any], folder: Path) -> list[str]:
        """Returns the names of the entries that differ from an earlier plan.

        Args:
            earlier: its `to_values`, for the same folder or for its former location.
            folder: the folder that relative paths start from.
        """
        current = json.loads(json.dumps(self.to_values(folder)))  # tuples become lists, as in `earlier`
        return [
            name
            for name in current
            if _normalized(name, earlier.get(name), folder) != _normalized(name, current[name], folder)
        ]


def _normalized(name: str, value: Any, folder: Path) -> Any:
    return (
        os.path.normpath(folder / value) if name in ('requests', 'log') and isinstance(value, str) else value
    )


def read(path: Path) -> Plan:
    """Reads a plan; relative paths in it start from the folder of the file.

    Raises:
        PlanError: the file cannot be read, is not YAML, or breaks a rule.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise PlanError(f'cannot read {path}: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, 'problem_mark', None)
        where = f' (line {mark.line + 1}, column {mark.column + 1})' if mark else ''
        raise PlanError(f'{path} is not valid YAML{where}') from error
    try:
        return from_values(values, path.absolute().parent)
    except PlanError as error:
        raise PlanError(f'{path}: {error}') from None


def from_values(values: object, folder: Path) -> Plan:
    """Builds a plan from the values of a YAML file.

    Args:
        values: a mapping of entries.
        folder: the folder that relative paths start from.

    Raises:
        PlanError: an entry breaks a rule.
    """
    entries = _mapping(values, 'a plan')
    steps = {'minimum_requests': 500, 'minimum_seconds': 60.0}
    rules: dict[str, Callable[[str, object], Any]] = {
        'model': _text,
        'steps': lambda name, value: value,
        'minimum_requests': _count,
        'minimum_seconds': _number(0, math.inf),
        'requests': lambda name, value: folder / _text(name, value),
        'log': lambda name, value: folder / _text(name, value),
        'text_column': _text,
        'label_column': _text,
        'maximum_requests': _count,
        'requests_per_second': _number(0, math.inf, open_below=True),
        'parallel': _count,
        'confidence': _number(0.5, 1, open_above=True),
        'metrics': _address,
        'gates': _limits,
    }
    checked = _entries(entries, rules, '')
    if 'model' not in checked:
        raise PlanError('a plan must name its model, for example model: reviews')
    if ('requests' in checked) == ('log' in checked):
        raise PlanError('a plan must have either requests, a file, or log, the prefix of a request log')
    steps |= {name: checked.pop(name) for name in steps if name in checked}
    return Plan(**{**checked, 'steps': _steps(checked.get('steps', list(PERCENTS)), steps)})


def _steps(values: object, common: Mapping[str, Any]) -> tuple[Step, ...]:
    if not isinstance(values, list) or not values:
        raise PlanError(f'steps must be a list of percents. Received: {values!r}')
    rules = {
        'percent': _number(0, 100),
        'minimum_requests': _count,
        'minimum_seconds': _number(0, math.inf),
    }
    steps = []
    for number, value in enumerate(values, 1):
        where = f'steps[{number}].'
        entry = _mapping(value, where) if isinstance(value, dict) else {'percent': value}
        checked = _entries(entry, rules, where)
        if 'percent' not in checked:
            raise PlanError(f'{where}percent is required')
        steps.append(Step(**{**common, **checked}))
    percents = [step.percent for step in steps]
    if percents[-1] != 100 or percents != sorted(set(percents)):
        raise PlanError(f'the percents of steps must increase and end with 100. Received: {percents}')
    return tuple(steps)


def _limits(name: str, value: object) -> Limits:
    names = {limit.name for limit in fields(Limits)}
    # The excluded ends are limits that even an identical version could never be shown to keep.
    rules: dict[str, Callable[[str, object], Any]] = {
        'error_rate': _number(0, 1, open_below=True),
        'latency_ratio': _number(1, math.inf),
        'p99_ratio': _number(1, math.inf),
        'agreement': _number(0, 1, open_above=True),
        'accuracy_drop': _number(0, 1, open_below=True),
        'drift': _number(0, 1, open_below=True),
    }
    entries = _mapping(value, name)
    off = {gate: None for gate in names & entries.keys() if entries[gate] is None}
    on = {gate: limit for gate, limit in entries.items() if gate not in off}
    limits = replace(Limits(), **{**_entries(on, rules, f'{name}.'), **off})
    if all(getattr(limits, gate) is None for gate in names):
        raise PlanError('gates must not all be null: every version would pass')
    return limits


def _entries(
    values: Mapping[str, object], rules: Mapping[str, Callable[[str, object], Any]], where: str
) -> dict[str, Any]:
    if unknown := [key for key in values if key not in rules]:
        raise PlanError(
            f'{where}{unknown[0]} is not an entry of a plan; the entries are: {", ".join(sorted(rules))}'
        )
    return {key: rules[key](f'{where}{key}', value) for key, value in values.items() if value is not None}


def _mapping(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise PlanError(f'{what.rstrip(".")} must be a mapping of names to values. Received: {_short(value)}')
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise PlanError(f'{name} must be a string. Received: {_short(value)}')
    return value


def _address(name: str, value: object) -> str:
    text = _text(name, value)
    try:
        parts = urlsplit(text)
        good = parts.scheme in ('http', 'https') and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise PlanError(
            f'{name} must be an address such as http://127.0.0.1:8501/metrics. Received: {_short(text)}'
        )
    return text


def _count(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PlanError(f'{name} must be an integer of at least 1. Received: {_short(value)}')
    return value


def _number(
    minimum: float, maximum: float, *, open_below: bool = False, open_above: bool = False
) -> Callable[[str, object], float]:
    def check(name: str, value: object) -> float:
        try:
            number = float(value) if type(value) in (int, float) else math.nan  # type: ignore[arg-type]  # the type is checked
        except OverflowError:
            number = math.inf
        on_edge = (open_below and number == minimum) or (open_above and number == maximum)
        if math.isfinite(number) and minimum <= number <= maximum and not on_edge:
            return number
        between = f'of at least {minimum:g}' if maximum == math.inf else f'from {minimum:g} to {maximum:g}'
        if open_below or open_above:
            between += f', except {minimum if open_below else maximum:g}'
        raise PlanError(f'{name} must be a number {between}. Received: {_short(value)}')

    return check


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + '…'
