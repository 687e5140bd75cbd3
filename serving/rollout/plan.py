"""The plan of a rollout: a small YAML file.

model: reviews
requests: held-out.csv          # or log: /logs/reviews, what the server logs
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
    """A share of the traffic, and what it takes to go on from it.

    Attributes:
        percent: the canary's share.
        minimum_requests: pairs of requests to be asked in this step.
        minimum_seconds: how long it lasts at least.
    """

    percent: float
    minimum_requests: int
    minimum_seconds: float


@dataclass(frozen=True)
class Plan:
    """See the module.

    Attributes:
        model: its name on the server.
        steps: with rising percents, the last of 100; after it the version is promoted.
        requests: file of requests that both versions are asked, drawn at random.
        log: prefix of the server's request log, which is followed instead.
        text_column, label_column: where `requests` has the text, and what it should be taken for; see `Columns`.
        maximum_requests: of the whole rollout; a version that has not passed every gate by then goes back.
        requests_per_second: most pairs a second; None for as many as the server answers.
        parallel: pairs under way at a time; more than one make latencies harder to tell apart.
        confidence: least probability that no gate is ever wrong in one direction.
        metrics: address of a metrics page of the gateway or the embedded server, for failures of live requests.
        gates: limits.
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

    def plain(self, folder: Path | None = None) -> dict[str, Any]:
        """As values that JSON has; paths are relative to `folder`, so that both can be moved together."""
        steps = [asdict(step) for step in self.steps]
        values = {**asdict(self), 'steps': steps}
        return {
            key: str(value if folder is None else os.path.relpath(value, folder))
            if isinstance(value, Path)
            else value
            for key, value in values.items()
        }

    def changes(self, earlier: Mapping[str, Any], folder: Path) -> list[str]:
        """The entries that an earlier plan had otherwise, or not at all.

        Args:
            earlier: what `plain` gave for it, with the same `folder`, or one that lay elsewhere then.
            folder: where relative paths begin.
        """
        now = json.loads(json.dumps(self.plain(folder)))
        return [
            name
            for name in now
            if _placed(name, earlier.get(name), folder) != _placed(name, now[name], folder)
        ]


def _placed(name: str, value: Any, folder: Path) -> Any:
    return (
        os.path.normpath(folder / value) if name in ('requests', 'log') and isinstance(value, str) else value
    )


def read(path: Path) -> Plan:
    """The plan in a file; relative paths in it begin at its folder.

    Raises:
        PlanError: the file cannot be read, is no YAML, or breaks a rule.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise PlanError(f'cannot read {path}: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, 'problem_mark', None)
        where = f' (line {mark.line + 1}, column {mark.column + 1})' if mark else ''
        raise PlanError(f'{path} is no YAML{where}') from error
    try:
        return of(values, path.absolute().parent)
    except PlanError as error:
        raise PlanError(f'{path}: {error}') from None


def of(values: object, folder: Path) -> Plan:
    """The plan that these values are; relative paths begin at `folder`. Raises PlanError."""
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
    found = _entries(entries, rules, '')
    if 'model' not in found:
        raise PlanError('a plan names its model, as model: reviews')
    if ('requests' in found) == ('log' in found):
        raise PlanError('give requests, a file that both versions are asked, or log, and not both')
    steps |= {name: found.pop(name) for name in steps if name in found}
    return Plan(**{**found, 'steps': _steps(found.get('steps', list(PERCENTS)), steps)})


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
        found = _entries(entry, rules, where)
        if 'percent' not in found:
            raise PlanError(f'{where}percent must be given')
        steps.append(Step(**{**common, **found}))
    percents = [step.percent for step in steps]
    if percents[-1] != 100 or percents != sorted(set(percents)):
        raise PlanError(f'the percents of steps must rise and end with 100. Received: {percents}')
    return tuple(steps)


def _limits(name: str, value: object) -> Limits:
    known = {each.name for each in fields(Limits)}
    # At these ends of the range a version that does not differ at all could never be shown to be good.
    rules: dict[str, Callable[[str, object], Any]] = {
        'error_rate': _number(0, 1, open_below=True),
        'latency_ratio': _number(1, math.inf),
        'p99_ratio': _number(1, math.inf),
        'agreement': _number(0, 1, open_above=True),
        'accuracy_drop': _number(0, 1, open_below=True),
        'drift': _number(0, 1, open_below=True),
    }
    entries = _mapping(value, name)
    off = {each: None for each in known & entries.keys() if entries[each] is None}
    given = {key: each for key, each in entries.items() if key not in off}
    limits = replace(Limits(), **{**_entries(given, rules, f'{name}.'), **off})
    if all(getattr(limits, each) is None for each in known):
        raise PlanError('gates must leave at least one gate: nothing would ever be found wrong')
    return limits


def _entries(
    values: Mapping[str, object], rules: Mapping[str, Callable[[str, object], Any]], where: str
) -> dict[str, Any]:
    if unknown := [key for key in values if key not in rules]:
        raise PlanError(f'there is no {where}{unknown[0]}; there are: {", ".join(sorted(rules))}')
    return {key: rules[key](f'{where}{key}', value) for key, value in values.items() if value is not None}


def _mapping(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise PlanError(f'{what.rstrip(".")} must be names with values. Received: {_short(value)}')
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise PlanError(f'{name} must be a text. Received: {_short(value)}')
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
            f'{name} must be an address as http://127.0.0.1:8501/metrics. Received: {_short(text)}'
        )
    return text


def _count(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PlanError(f'{name} must be a whole number of at least 1. Received: {_short(value)}')
    return value


def _number(
    least: float, most: float, *, open_below: bool = False, open_above: bool = False
) -> Callable[[str, object], float]:
    def check(name: str, value: object) -> float:
        try:
            number = float(value) if type(value) in (int, float) else math.nan  # type: ignore[arg-type]
        except OverflowError:
            number = math.inf
        on_edge = (open_below and number == least) or (open_above and number == most)
        if math.isfinite(number) and least <= number <= most and not on_edge:
            return number
        between = f'at least {least:g}' if most == math.inf else f'from {least:g} to {most:g}'
        if open_below or open_above:
            between += f', and not {least if open_below else most:g}'
        raise PlanError(f'{name} must be a number {between}. Received: {_short(value)}')

    return check


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + '…'
