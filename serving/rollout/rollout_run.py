"""One automatic rollout from its current step to its end: send requests, evaluate the gates, carry out the decisions.

Each decision is written to the journal before it is carried out, so that a killed process can be resumed.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vaiven.serving.client import RequestError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout.answers import Pair
from vaiven.serving.rollout.class_report import differences
from vaiven.serving.rollout.compare import result_values
from vaiven.serving.rollout.gate import FAIL, WAIT, GateResult
from vaiven.serving.rollout.gates import Gates
from vaiven.serving.rollout.journal import Journal
from vaiven.serving.rollout.live_metrics import LiveErrors, fetch_page, read_counts
from vaiven.serving.rollout.paired_requests import pairs
from vaiven.serving.rollout.plan import Plan
from vaiven.serving.rollout.progress import DECISION, END, NEXT, PROMOTE, ROLL_BACK, Progress
from vaiven.serving.rollout.requests import Request, RequestLog, rate_limited, sample
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.rollout_actions import LostTooOftenError, RolloutActions, TakenOverError
from vaiven.serving.rollout.server_state import CANARY

# A look at all gates takes some milliseconds of computation, more than a request to a small model. The bounds hold at
# any time, so fewer looks only delay a decision, by at most this much.
EVALUATION_PAIRS, EVALUATION_SECONDS = 50, 0.5
# What a kill loses: evidence since the last entry. Each entry is synced to disk and has all histograms.
JOURNAL_SECONDS = 5.0
PROMOTED, ROLLED_BACK = 'promoted', 'rolled back'
TAKEN_OVER, NOT_STARTED = 'taken over', 'not begun'

Decision = tuple[str, str, list[GateResult]]  # the action, the reason, and the results of the gates


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended.

    Attributes:
        result: PROMOTED, ROLLED_BACK, or TAKEN_OVER if the labels or the split were changed by others.
        version: the new version.
        stable: the version that was stable at the start.
        reason: why it ended so.
        requests: the number of pairs of requests.
    """

    result: str
    version: int
    stable: int
    reason: str
    requests: int


class RolloutRun:
    """Runs one rollout from its current step to its end."""

    def __init__(
        self,
        rollout: Rollout,
        plan: Plan,
        progress: Progress,
        rows: list[Request] | None,
        journal: Journal,
        report: Callable[[dict[str, Any]], None],
        timeout: float,
    ) -> None:
        """
        Args:
            rollout: changes the labels and the split.
            plan: of the same model.
            progress: where the rollout is.
            rows: the requests of the plan; None if it follows a request log.
            journal: open, for the entries.
            report: called with each entry of the journal.
            timeout: seconds that loading a version may take.
        """
        self.progress = progress
        self._rollout = rollout
        self._plan = plan
        self._rows = rows
        self._journal = journal
        self._report = report
        self._timeout = timeout
        self._actions = RolloutActions(rollout, progress, self.write, timeout)
        self._classes_compared = False
        limit = plan.gates.error_rate if plan.metrics is not None else None
        self._live = LiveErrors(limit, progress.live) if limit is not None else None
        self._gates = Gates(
            plan.gates,
            plan.confidence,
            progress.outcomes,
            steps=len(plan.steps),
            others=int(self._live is not None),
        )

    def run(self, *, resumed: bool, name_stable: bool) -> Outcome:
        """Runs the rollout.

        Args:
            resumed: whether an earlier process started it.
            name_stable: whether the version that it replaces does not have the label `stable` yet.

        Raises:
            ServingError: the rollout was started with another plan, or an action failed.
            RequestError: the version cannot be loaded; nothing was changed.
        """
        progress = self.progress
        try:
            if resumed:
                self._resume()
            if name_stable:
                self.write('named')
                self._rollout.name_stable(progress.stable, self._timeout)
            return self._run_steps()
        except TakenOverError as error:
            return self._end(TAKEN_OVER, str(error))
        except ServingError as error:
            if not progress.shares and progress.decision is None:
                self._end(NOT_STARTED, str(error))
            raise
        except BaseException:
            if progress.reached:
                with contextlib.suppress(ServingError):
                    self.write('stopped')
            raise

    def write(self, event: str, **values: Any) -> None:
        """Writes an entry with the current evidence to the journal, and reports it."""
        self._report(self._journal.write(self._plan.model, event, **self.progress.evidence(), **values))

    def _resume(self) -> None:
        """Raises ServingError if the plan has changed and nobody has ended the rollout."""
        progress = self.progress
        changed = self._plan.changes(progress.plan, self._rollout.base_path)
        if changed and progress.decision is None:
            self._actions.verify_unchanged()
            raise ServingError(
                f'the rollout of version {progress.version} was started with another plan (different: '
                f'{", ".join(changed)}): use that plan, or end it with `vaiven rollout rollback` and start again'
            )
        self.write('resumed')

    def _run_steps(self) -> Outcome:
        progress, actions = self.progress, self._actions
        while progress.decision is None:
            try:
                if not progress.reached:
                    actions.retry_unavailable(actions.set_share)
                    progress.reached = True
                    self.write('step', percent=self._plan.steps[progress.step].percent)
                action, reason, results = self._watch()
            except LostTooOftenError as error:
                action, reason, results = ROLL_BACK, str(error), self._gates.evaluate()
            gates = [result_values(result) for result in results]
            self.write(DECISION, action=action, because=reason, gates=gates)
            if action == NEXT:
                progress.next_step()
                self._gates.next_step()
            else:
                progress.decision = action, reason
        action, reason = progress.decision
        actions.retry_unavailable(actions.promote if action == PROMOTE else actions.roll_back)
        return self._end(PROMOTED if action == PROMOTE else ROLLED_BACK, reason)

    def _watch(self) -> Decision:
        """Sends pairs of requests in the current step until there is a decision."""
        progress, plan = self.progress, self._plan
        start, seconds_before = time.monotonic(), progress.seconds
        evaluated = journaled = start
        new_pairs = 0
        self._verify()
        stream = pairs(
            self._rollout.client,
            plan.model,
            self._requests(),
            progress.stable,
            progress.version,
            parallel=plan.parallel,
        )
        with contextlib.closing(stream):
            for pair in stream:
                if pair is not None:
                    new_pairs += self._add(pair)
                now = time.monotonic()
                progress.seconds = seconds_before + now - start
                if new_pairs < EVALUATION_PAIRS and now - evaluated < EVALUATION_SECONDS:
                    continue
                evaluated, new_pairs = now, 0
                progress.outcomes = self._gates.state()
                if (decision := self._decide()) is not None:
                    return decision
                if now - journaled >= JOURNAL_SECONDS:
                    journaled = now
                    self._verify()
                    self.write('evidence')
        raise ServingError('there are no more requests')

    def _add(self, pair: Pair) -> bool:
        """Counts a pair, unless it failed because the server was away; returns whether it was counted."""
        progress = self.progress
        if pair.failed and not self._both_available():
            self._actions.retry_unavailable(self._actions.verify_unchanged)
            # A failure of both is the server's. If only the new version's request broke off, that request may have
            # ended the server: it counts.
            if pair.old.error or pair.new.code != 'UNAVAILABLE':
                return False
        self._say_differences(pair)
        self._gates.add(pair)
        progress.total += 1
        progress.unanswered += pair.failed
        progress.requests += not pair.failed
        return True

    def _say_differences(self, pair: Pair) -> None:
        """Writes once how the classes of the versions differ, if they do."""
        if self._classes_compared or pair.failed or not (pair.old.classes and pair.new.classes):
            return
        self._classes_compared = True
        if (found := differences(pair.old.classes, pair.new.classes)) is not None:
            self.write('classes', differences=found)

    def _decide(self) -> Decision | None:
        progress, step, maximum = (
            self.progress,
            self._plan.steps[self.progress.step],
            self._plan.maximum_requests,
        )
        results = self._gates.evaluate()
        if self._live is not None:
            results.append(self._live.evaluate(self._gates.alpha))
        if failed := [result for result in results if result.verdict == FAIL]:
            return ROLL_BACK, '; '.join(map(_description, failed)), results
        waiting = [result for result in results if result.verdict == WAIT]
        enough = progress.requests >= step.minimum_requests
        if not waiting and enough and progress.seconds >= step.minimum_seconds:
            last = progress.step == len(self._plan.steps) - 1
            return (PROMOTE if last else NEXT), 'every gate passes', results
        # A version exactly at a limit may never be decided by a sequential test: the maximum ends that.
        if waiting and progress.total >= maximum:
            names = ', '.join(f'{each.gate} ({each.note})' if each.note else each.gate for each in waiting)
            return ROLL_BACK, f'not shown to be good after {progress.total} requests: {names}', results
        if not enough and progress.requests + progress.unanswered >= maximum:
            return ROLL_BACK, f'both versions answered {progress.requests} of {maximum} requests', results
        return None

    def _verify(self) -> None:
        """Verifies that nobody else has changed labels or split, and reads the live counts."""
        self._actions.retry_unavailable(self._actions.verify_unchanged)
        if self._live is None:
            return
        assert self._plan.metrics is not None
        versions = {STABLE: self.progress.stable, CANARY: self.progress.version}
        try:
            self._live.add(read_counts(fetch_page(self._plan.metrics), self._plan.model, versions))
        except ServingError as error:
            # The live gate is only an alarm, so a missing page must not stop the rollout.
            self.write('metrics', error=str(error))
        self.progress.live = self._live.counts

    def _both_available(self) -> bool:
        """Whether the server has both versions; otherwise a failure is not theirs."""
        try:
            available = self._rollout.state().available
        except RequestError:
            return False
        return self.progress.version in available and self.progress.stable in available

    def _requests(self) -> Iterator[Request | None]:
        source: Iterable[Request | None]
        if self._rows is not None:
            source = sample(self._rows)
        else:
            assert self._plan.log is not None
            log = RequestLog(self._plan.log, self._plan.model, follow=True, positions=self.progress.log)
            source = log.requests()
        return rate_limited(source, self._plan.requests_per_second)

    def _end(self, result: str, reason: str) -> Outcome:
        self.write(END, result=result, because=reason)
        progress = self.progress
        return Outcome(result, progress.version, progress.stable, reason, progress.total)


def _description(result: GateResult) -> str:
    estimate = 'nan' if result.estimate is None else f'{result.estimate:.4g}'
    of_class = f' of {result.class_name}' if result.class_name else ''
    return (
        f'{result.gate}{of_class} {estimate} [{result.low:.4g}, {result.high:.4g}], limit {result.limit:.4g}, '
        f'{result.outcomes} outcomes'
    )
