"""Failures of live requests, from the metrics page of the gateway or of the embedded server.

Live requests cannot be sent to both versions at the same time, so this gate is only an alarm: it stops a canary whose
share of failed requests is higher than the stable version's, and it never delays a rollout.
"""

import http.client
import math
import re
import urllib.request
from collections.abc import Mapping

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout.gate import FAIL, NO_OUTCOMES, PASS, GateResult
from vaiven.serving.rollout.server_state import CANARY
from vaiven.serving.rollout.statistics import mean_interval

NAME = 'live_error_rate'
PAGE_TIMEOUT_SECONDS = 3.0
MAX_PAGE_BYTES = 1 << 24
GATEWAY, SERVER = 'vaiven_gateway_requests_total', 'vaiven_request_count'
# Faults of a server. With the other codes the request was wrong, or its caller cancelled it.
FAULTS = (
    'UNKNOWN',
    'DEADLINE_EXCEEDED',
    'RESOURCE_EXHAUSTED',
    'UNIMPLEMENTED',
    'INTERNAL',
    'UNAVAILABLE',
    'DATA_LOSS',
)
# https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
SAMPLE = re.compile(r'^(\w+)\{(.*)\} (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Counts = dict[str, list[int]]  # by label: the number of requests, and of failed ones


def fetch_page(address: str) -> str:
    """Returns the text of a metrics page.

    Raises:
        ServingError: the page cannot be fetched.
    """
    # Metrics pages are in the local network, and a proxy from the environment is for requests that leave it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=PAGE_TIMEOUT_SECONDS) as answer:
            return str(answer.read(MAX_PAGE_BYTES).decode(errors='replace'))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServingError(f'no metrics from {address}: {error}') from error


def read_counts(text: str, model: str, versions: Mapping[str, int]) -> Counts:
    """Returns the number of requests and failures so far, by label.

    A gateway counts by label. A server counts by version, which `versions` maps to labels.

    Args:
        text: the metrics page.
        model: name of the model.
        versions: the version of each label.

    Raises:
        ServingError: a value on the page is not a number of requests.
    """
    counts: Counts = {label: [0, 0] for label in versions}
    label_of = {str(version): label for label, version in versions.items()}
    for line in text.splitlines():
        match = SAMPLE.match(line)
        if match is None or match[1] not in (GATEWAY, SERVER):
            continue
        labels = dict(LABEL.findall(match[2]))
        if match[1] == GATEWAY:
            name, label, code = labels.get('model'), labels.get('label', ''), labels.get('code')
        else:
            name, code = labels.get('model_name'), labels.get('status')
            label = label_of.get(labels.get('version', ''), '')
        if name == model and label in counts:
            number = _count(match[3])
            counts[label][0] += number
            counts[label][1] += number if code in FAULTS else 0
    return counts


def _count(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ServingError(
            f'the metrics page must count requests as a number of at least 0. Received: {text[:40]!r}'
        )
    return round(value)


class LiveErrors:
    """Counts live requests from its creation, or from the counts of an earlier process.

    Attributes:
        limit: the maximum difference between the canary's and the stable version's share of failures.
        counts: requests and failures by label.
    """

    def __init__(self, limit: float, counts: Counts | None = None) -> None:
        """
        Args:
            limit: how much higher the canary's share of failures may be.
            counts: the attribute `counts` of an earlier process.
        """
        self.limit = limit
        self.counts: Counts = {label: list((counts or {}).get(label, [0, 0])) for label in (STABLE, CANARY)}
        self._last: Counts | None = None

    def add(self, page: Counts) -> None:
        """Adds what was counted since the last call.

        Args:
            page: the counters of the page, which grow from the start of the counting process.
        """
        if self._last is not None:
            for label, (requests, failed) in page.items():
                last = self._last[label]
                more, more_failed = requests - last[0], failed - last[1]
                # Counters that fall, or failures that grow by more than the requests, mean that the counting process
                # restarted: it counts from 0, so all of the page is new.
                restarted = not 0 <= more_failed <= more
                self.counts[label][0] += requests if restarted else more
                self.counts[label][1] += failed if restarted else more_failed
        self._last = page

    def evaluate(self, alpha: float) -> GateResult:
        """Returns the result for the difference between the two shares of failures, canary less stable.

        Args:
            alpha: the maximum probability of failing wrongly.
        """
        # The two labels answer different requests, so there are no pairs: each share has an interval of its own with
        # half of alpha, and by the union bound their difference lies between the outer ends.
        stable, canary = (
            mean_interval({0.0: total - failed, 1.0: failed}, 0, 1, alpha / 2)
            for total, failed in (self.counts[STABLE], self.counts[CANARY])
        )
        low, high = canary.low - stable.high, canary.high - stable.low
        total = self.counts[CANARY][0]
        estimate = canary.estimate - stable.estimate if total and self.counts[STABLE][0] else None
        # Never WAIT: too little traffic must not delay the rollout.
        verdict = FAIL if low > self.limit else PASS if high <= self.limit else NO_OUTCOMES
        return GateResult(NAME, verdict, estimate, low, high, self.limit, total)
