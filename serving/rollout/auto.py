"""A rollout that decides by itself: step by step while every gate passes, back at once when one fails.

Each decision is in the record before it is carried out, so that whoever is killed in between is gone on for.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vaiven.serving.client import RequestError, UnavailableError
from vaiven.serving.errors import ServingError
from vaiven.serving.rollout import folder
from vaiven.serving.rollout.compare import judged_values
from vaiven.serving.rollout.gates import FAIL, NOTHING, PASS, TAIL_PAIRS, Gates, Judged
from vaiven.serving.rollout.live import LiveErrors, counts, page
from vaiven.serving.rollout.pairs import pairs
from vaiven.serving.rollout.plan import Plan
from vaiven.serving.rollout.progress import NEXT, PROMOTE, ROLL_BACK, Progress, unfinished
from vaiven.serving.rollout.record import Record
from vaiven.serving.rollout.requests import Asked, Columns, Log, read, sampled
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.state import CANARY
from vaiven.serving.split import STABLE

LOOK_PAIRS, LOOK_SECONDS = 50, 0.5
RECORD_SECONDS = 5.0
WAIT_SECONDS = 0.5
PROMOTED, ROLLED_BACK = 'promoted', 'rolled back'
TAKEN_OVER, NOT_BEGUN = 'taken over', 'not begun'


@dataclass(frozen=True)
class Outcome:
    """How it ended: promoted, rolled back, or taken over by somebody; with the reason and the pairs asked."""

    result: str
    version: int
    stable: int
    because: str
    requests: int


class _TakenOverError(Exception):
    """Somebody else has moved the labels or the split."""


class Auto:
    """Carries out one plan."""

    def __init__(
        self, rollout: Rollout, plan: Plan, record: Record, say: Callable[[dict[str, Any]], None]
    ) -> None:
        """
        Args:
            rollout: makes the moves.
            plan: of the same model.
            record: what is decided is written there, and gone on with from there.
            say: told every entry of the record.

        Raises:
            ServingError: the requests of the plan cannot be read.
        """
        self.rollout = rollout
        self.plan = plan
        self.record = record
        self._say = say
        self._requests = self._source()

    def run(self, version: int | None = None, timeout: float = 120.0) -> Outcome:
        """Rolls `version` out (None: the one under way, or the newest above the stable one), or back.

        Raises:
            ServingError: nothing to roll out, another rollout is under way, or no version is stable.
            RequestError: the version cannot be loaded; all is as it was.
        """
        self._timeout = timeout
        try:
            progress = unfinished(self.record.entries(self.plan.model))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServingError(
                f'{self.record.path} is no record of a rollout: name another file with --record'
            ) from error
        if progress is not None and version not in (None, progress.version):
            raise ServingError(
                f'the rollout of version {progress.version} is under way in {self.record.path}: '
                'finish that first, or end it with `vaiven rollout rollback`'
            )
        resumed = progress is not None
        self.at = progress or self._begin(version)
        self.gates = Gates(self.plan.gates, self.plan.confidence, self.at.seen)
        self.live = LiveErrors(self.plan.gates.error_rate or 0.0, self.at.live)
        try:
            if resumed:
                self._write('resumed')
                if self.at.decided is None:
                    self._insist(self._restore)
            return self._go()
        except _TakenOverError as error:
            return self._end(TAKEN_OVER, str(error))
        except ServingError as error:
            if not self.at.reached and self.at.step == 0 and self.at.decided is None:
                self._end(NOT_BEGUN, str(error))
            raise
        except BaseException:
            if self.at.reached:
                with contextlib.suppress(ServingError):
                    self._write('stopped')
            raise

    def _begin(self, version: int | None) -> Progress:
        now = self.rollout.status()
        if now.stable is None:
            raise ServingError(f'no version of {self.plan.model!r} has the label {STABLE}: promote one first')
        refused = {
            each.get('version')
            for each in self.record.entries(self.plan.model)
            if each.get('event') == 'end' and each.get('result') == ROLLED_BACK
        }
        newer = [each for each in folder.versions(self.rollout.base_path) if each > now.stable]
        chosen = (
            version if version is not None else next((each for each in newer if each not in refused), None)
        )
        if chosen is None:
            why = ' that was not rolled back before: name one to try it again' if newer else ''
            raise ServingError(
                f'{self.rollout.base_path} has no version above {now.stable}, which is {STABLE},{why}'.rstrip(
                    ','
                )
            )
        progress = Progress(chosen, now.stable)
        self._say(
            self.record.write(
                self.plan.model, 'begin', version=chosen, stable=now.stable, plan=self.plan.plain()
            )
        )
        return progress

    def _go(self) -> Outcome:
        while True:
            if self.at.decided is None:
                if not self.at.reached:
                    self._insist(self._give_share)
                    self.at.reached = True
                    self._write('step', percent=self.plan.steps[self.at.step].percent)
                action, because, judged = self._watch()
                told = [judged_values(each) for each in judged]
                self._write('decision', action=action, because=because, gates=told)
                if action == NEXT:
                    self.at.step += 1
                    self.at.requests, self.at.seconds, self.at.reached = 0, 0.0, False
                    continue
                self.at.decided = action, because
            action, because = self.at.decided
            if action == PROMOTE:
                self._insist(lambda: self.rollout.promote(self.at.version, self._timeout))
                return self._end(PROMOTED, because)
            self._insist(self._go_back)
            return self._end(ROLLED_BACK, because)

    def _give_share(self) -> None:
        self.rollout.canary(self.at.version, self.plan.steps[self.at.step].percent, self._timeout)

    def _watch(self) -> tuple[str, str, list[Judged]]:
        """Asks pairs in the present step until there is something to decide."""
        client, at = self.rollout.client, self.at
        began, spent = time.monotonic(), at.seconds
        looked = recorded = began
        since = 0
        asking = pairs(
            client, self.plan.model, self._requests, at.stable, at.version, parallel=self.plan.parallel
        )
        with contextlib.closing(asking):
            for pair in asking:
                if pair is not None and pair.failed and not self._served():
                    self._insist(self._restore)
                    continue
                if pair is not None:
                    self.gates.add(pair)
                    at.requests += 1
                    at.total += 1
                    since += 1
                now = time.monotonic()
                at.seconds = spent + now - began
                if since < LOOK_PAIRS and now - looked < LOOK_SECONDS:
                    continue
                looked, since = now, 0
                at.seen = self.gates.seen()
                if (decided := self._decide()) is not None:
                    return decided
                if now - recorded >= RECORD_SECONDS:
                    recorded = now
                    self._look_around()
                    self._write('evidence')
        raise ServingError('the requests have come to an end')

    def _decide(self) -> tuple[str, str, list[Judged]] | None:
        at, step = self.at, self.plan.steps[self.at.step]
        judged = self.gates.judge()
        if self.plan.metrics is not None and self.plan.gates.error_rate is not None:
            judged.append(self.live.judge(self.gates.alpha))
        if failed := [each for each in judged if each.verdict == FAIL]:
            return ROLL_BACK, '; '.join(map(_told, failed)), judged
        waiting = [each.gate for each in judged if each.verdict not in (PASS, NOTHING)]
        # Outcomes that have not come by now will not come: these requests have no labels, say.
        ripe = not waiting and (self.plan.gates.p99_ratio is None or at.total >= 2 * TAIL_PAIRS)
        if ripe and at.requests >= step.minimum_requests and at.seconds >= step.minimum_seconds:
            last = at.step == len(self.plan.steps) - 1
            return (PROMOTE if last else NEXT), 'every gate passes', judged
        if waiting and at.total >= self.plan.maximum_requests:
            return ROLL_BACK, f'not shown to be good after {at.total} requests: {", ".join(waiting)}', judged
        return None

    def _look_around(self) -> None:
        """Reads the live counts, and sees that nobody else has moved anything."""
        self._insist(self._restore)
        if self.plan.metrics is not None:
            versions = {STABLE: self.at.stable, CANARY: self.at.version}
            try:
                self.live.add(counts(page(self.plan.metrics), self.plan.model, versions))
            except ServingError as error:
                self._write('metrics', error=str(error))
            self.at.live = self.live.seen

    def _served(self) -> bool:
        """Whether both versions are there to be asked: else a failure is not theirs."""
        try:
            available = self.rollout.status().available
        except RequestError:
            return False
        return self.at.version in available and self.at.stable in available

    def _restore(self) -> None:
        """Brings back the labels that a server which was started anew has lost.

        Raises:
            _TakenOverError: they were moved by somebody else.
        """
        at, rollout = self.at, self.rollout
        now = rollout.status()
        if now.stable not in (None, at.stable):
            raise _TakenOverError(f'version {now.stable} is {STABLE} now, which was {at.stable}')
        if not at.reached or (now.stable == at.stable and now.canary == at.version):
            return
        if not rollout.split().weights.get(CANARY):
            raise _TakenOverError(f'version {at.version} was taken back by hand')
        if now.stable is None:
            rollout.promote(at.stable, self._timeout)
        self._give_share()
        self._write('restored')

    def _go_back(self) -> None:
        now = self.rollout.status()
        if now.stable is not None and now.canary is not None:
            self.rollout.rollback(self._timeout)
        elif now.stable in (None, self.at.stable):
            self.rollout.promote(self.at.stable, self._timeout)

    def _insist(self, act: Callable[[], object]) -> None:
        """Does it, and again when a server that has gone is back."""
        waiting = False
        while True:
            try:
                act()
                return
            except UnavailableError as error:
                if not waiting:
                    self._write('waiting', error=str(error))
                waiting = True
                time.sleep(WAIT_SECONDS)

    def _source(self) -> Iterator[Asked | None]:
        plan = self.plan
        source: Iterable[Asked | None]
        if plan.requests is not None:
            source = sampled(read(plan.requests, Columns(plan.text_column, plan.label_column)))
        else:
            assert plan.log is not None
            source = Log(plan.log, follow=True).requests()
        return _paced(source, plan.requests_per_second)

    def _write(self, event: str, **values: Any) -> None:
        self._say(self.record.write(self.plan.model, event, **self.at.evidence(), **values))

    def _end(self, result: str, because: str) -> Outcome:
        self._write('end', result=result, because=because)
        return Outcome(result, self.at.version, self.at.stable, because, self.at.total)


def _paced(source: Iterable[Asked | None], most: float | None) -> Iterator[Asked | None]:
    """No more of them a second."""
    if most is None:
        yield from source
        return
    due = time.monotonic()
    for asked in source:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic()) + 1 / most
        yield asked


def _told(judged: Judged) -> str:
    estimate = 'nan' if judged.estimate is None else f'{judged.estimate:.4g}'
    return (
        f'{judged.gate} {estimate} [{judged.low:.4g}, {judged.high:.4g}], limit {judged.limit:.4g}, '
        f'{judged.count} outcomes'
    )
