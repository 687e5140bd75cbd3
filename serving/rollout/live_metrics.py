"""Failures of live requests, from the metrics page of the gateway or of the embedded server.

What users ask cannot be asked of both versions at the same time, so this gate is an alarm only: it stops a version
that fails more of its own requests than the stable one does of its, and never holds one up.
"""

import http.client
import math
import re
import urllib.request
from collections.abc import Mapping

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout.gate import FAIL, NOTHING, PASS, GateResult
from vaiven.serving.rollout.server_state import CANARY
from vaiven.serving.rollout.statistics import mean_interval

NAME = 'live_error_rate'
PAGE_SECONDS = 3.0
MAX_PAGE_BYTES = 1 << 24
GATEWAY, SERVER = 'vaiven_gateway_requests_total', 'vaiven_request_count'
# What a server does wrong; the other codes say that the request was wrong, or was given up by its caller.
FAULTS = (
    'UNKNOWN',
    'DEADLINE_EXCEEDED',
    'RESOURCE_EXHAUSTED',
    'UNIMPLEMENTED',
    'INTERNAL',
    'UNAVAILABLE',
    'DATA_LOSS',
)
SAMPLE = re.compile(r'^(\w+)\{(.*)\} (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Counts = dict[str, list[int]]  # by label: requests, and how many of them failed


def page(address: str) -> str:
    """The text behind an address. Raises ServingError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is for the way out
    try:
        with opener.open(address, timeout=PAGE_SECONDS) as answer:
            return str(answer.read(MAX_PAGE_BYTES).decode(errors='replace'))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServingError(f'no metrics from {address}: {error}') from error


def counts(text: str, model: str, versions: Mapping[str, int]) -> Counts:
    """Requests so far by label: from a gateway's page by labels, from a server's by the versions they mean.

    Raises:
        ServingError: a count on the page is no number of requests.
    """
    found: Counts = {label: [0, 0] for label in versions}
    named = {str(version): label for label, version in versions.items()}
    for line in text.splitlines():
        match = SAMPLE.match(line)
        if match is None or match[1] not in (GATEWAY, SERVER):
            continue
        about = dict(LABEL.findall(match[2]))
        if match[1] == GATEWAY:
            of, label, code = about.get('model'), about.get('label', ''), about.get('code')
        else:
            of, label, code = (
                about.get('model_name'),
                named.get(about.get('version', ''), ''),
                about.get('status'),
            )
        if of == model and label in found:
            number = _count(match[3])
            found[label][0] += number
            found[label][1] += number if code in FAULTS else 0
    return found


def _count(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ServingError(f'the metrics page counts requests as {text[:40]!r}, which is no number of them')
    return round(value)


class LiveErrors:
    """Counts from the moment it was made on, or from where an earlier process stopped."""

    def __init__(self, limit: float, seen: Counts | None = None) -> None:
        """
        Args:
            limit: how much greater the canary's share of failures may be.
            seen: what `seen` held in an earlier process.
        """
        self.limit = limit
        self.seen: Counts = {label: list((seen or {}).get(label, [0, 0])) for label in (STABLE, CANARY)}
        self._last: Counts | None = None

    def add(self, now: Counts) -> None:
        """Takes up what has come since the last call; a process that has begun anew counts from nothing."""
        if self._last is not None:
            for label, (requests, failed) in now.items():
                before = self._last[label]
                more, more_failed = requests - before[0], failed - before[1]
                begun_anew = not 0 <= more_failed <= more
                self.seen[label][0] += requests if begun_anew else more
                self.seen[label][1] += failed if begun_anew else more_failed
        self._last = now

    def judge(self, alpha: float) -> GateResult:
        """As `Gate.judge`, of the difference of two shares; each side takes half of `alpha`."""
        shares = [
            mean_interval({0.0: all_ - failed, 1.0: failed}, 0, 1, alpha / 2)
            for all_, failed in (self.seen[STABLE], self.seen[CANARY])
        ]
        low, high = shares[1].low - shares[0].high, shares[1].high - shares[0].low
        total = self.seen[CANARY][0]
        estimate = shares[1].estimate - shares[0].estimate if total and self.seen[STABLE][0] else None
        verdict = FAIL if low > self.limit else PASS if high <= self.limit else NOTHING
        return GateResult(NAME, verdict, estimate, low, high, self.limit, total)
