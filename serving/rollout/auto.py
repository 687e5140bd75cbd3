"""A rollout that decides by itself: step by step while every gate passes, back at once when one fails.

Each decision is in the record before it is carried out, so that whoever is killed in between is gone on for.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vaiven.serving.client import RequestError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout import serving_folder, version_choice
from vaiven.serving.rollout.compare import judged_values
from vaiven.serving.rollout.gate import FAIL, WAIT, GateResult
from vaiven.serving.rollout.gates import Gates, require_judge
from vaiven.serving.rollout.journal import Record
from vaiven.serving.rollout.live_metrics import LiveErrors, counts, page
from vaiven.serving.rollout.paired_requests import Pair, pairs
from vaiven.serving.rollout.plan import Plan
from vaiven.serving.rollout.progress import (
    BEGIN,
    DECISION,
    END,
    NEXT,
    PROMOTE,
    ROLL_BACK,
    Progress,
    unfinished,
)
from vaiven.serving.rollout.request_tables import Columns, model_labels
from vaiven.serving.rollout.requests import Asked, Log, paced, read, sampled
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.rollout_actions import LostTooOftenError, RolloutActions, TakenOverError
from vaiven.serving.rollout.server_state import CANARY

LOOK_PAIRS, LOOK_SECONDS = 50, 0.5
RECORD_SECONDS = 5.0
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


class Auto:
    """Carries out one plan.

    Attributes:
        remarks: what is strange in the table of requests and was not refused, a line for each.
    """

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
            ServingError: the requests of the plan cannot be read, no gate could judge them, or the moves would end the
                log of them.
        """
        if plan.log is not None and not rollout.logs:
            raise ServingError(
                'log takes --config-file, with the logging_config of the model: every move sends the server its '
                'whole configuration, and without that the log would end'
            )
        self.rollout = rollout
        self.plan = plan
        self.record = record
        self._say = say
        self._rows: list[Asked] | None = None
        self.remarks: list[str] = []
        if plan.requests is not None:
            labels = model_labels(rollout.base_path, serving_folder.versions(rollout.base_path))
            columns = Columns(plan.text_column, plan.label_column)
            self._rows = read(plan.requests, plan.model, columns, labels, self.remarks)
        require_judge(plan.gates, any(row.truth is not None for row in self._rows or ()))

    def run(self, version: int | None = None, timeout: float = 120.0) -> Outcome:
        """Rolls `version` out (None: the one under way, or the newest above the stable one), or back.

        Raises:
            ServingError: nothing to roll out, another rollout is under way or began with another plan, or no
                version is stable.
            RequestError: the version cannot be loaded; all is as it was.
        """
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
        self._unnamed = False  # whether no version was stable when this began
        self.at = progress or self._begin(version, timeout)
        self.moves = RolloutActions(self.rollout, self.at, self._write, timeout)
        with_live = self.plan.metrics is not None and self.plan.gates.error_rate is not None
        self.gates = Gates(
            self.plan.gates,
            self.plan.confidence,
            self.at.outcomes,
            steps=len(self.plan.steps),
            others=int(with_live),
        )
        self.live = LiveErrors(self.plan.gates.error_rate or 0.0, self.at.live) if with_live else None
        try:
            if progress is not None:
                self._go_on()
            if self._unnamed:
                self._write('named')
                self.rollout.name_stable(self.at.stable, timeout)
            return self._go()
        except TakenOverError as error:
            return self._end(TAKEN_OVER, str(error))
        except ServingError as error:
            if not self.at.shares and self.at.decided is None:
                self._end(NOT_BEGUN, str(error))
            raise
        except BaseException:
            if self.at.reached:
                with contextlib.suppress(ServingError):
                    self._write('stopped')
            raise

    def _begin(self, version: int | None, timeout: float) -> Progress:
        now = self.rollout.settled(timeout)
        stable = now.stable
        if stable is None:
            self._unnamed = True
            newest = max([*now.available, *serving_folder.versions(self.rollout.base_path)], default=0)
            stable = version_choice.unnamed_stable(
                self.plan.model, now, newest if version is None else version
            )
        refused = {
            each.get('version')
            for each in self.record.entries(self.plan.model)
            if each.get('event') == DECISION and each.get('action') == ROLL_BACK
        }
        newer = [each for each in serving_folder.versions(self.rollout.base_path) if each > stable]
        chosen = (
            version if version is not None else next((each for each in newer if each not in refused), None)
        )
        if chosen is None:
            why = ', that was not rolled back before: name one to try it again' if newer else ''
            raise ServingError(
                f'{self.rollout.base_path} has no version above {stable}, which is {STABLE}{why}'
            )
        plan = self.plan.plain(self.rollout.base_path)
        self._say(self.record.write(self.plan.model, BEGIN, version=chosen, stable=stable, plan=plan))
        return Progress(chosen, stable, plan)

    def _go_on(self) -> None:
        """Raises ServingError where the plan is not the one that the rollout began with, and nobody has ended it."""
        changed = self.plan.changes(self.at.plan, self.rollout.base_path)
        if changed and self.at.decided is None:
            self.moves.hold()
            raise ServingError(
                f'the rollout of version {self.at.version} began with another plan (not the same: '
                f'{", ".join(changed)}): give that one, or end it with `vaiven rollout rollback` and begin anew'
            )
        self._write('resumed')

    def _go(self) -> Outcome:
        at, moves = self.at, self.moves
        while at.decided is None:
            try:
                if not at.reached:
                    moves.retry_unavailable(moves.give_share)
                    at.reached = True
                    self._write('step', percent=self.plan.steps[at.step].percent)
                action, because, judged = self._watch()
            except LostTooOftenError as error:
                action, because, judged = ROLL_BACK, str(error), self.gates.judge()
            told = [judged_values(each) for each in judged]
            self._write(DECISION, action=action, because=because, gates=told)
            if action == NEXT:
                at.next_step()
                self.gates.next_step()
            else:
                at.decided = action, because
        action, because = at.decided
        moves.retry_unavailable(moves.promote if action == PROMOTE else moves.go_back)
        return self._end(PROMOTED if action == PROMOTE else ROLLED_BACK, because)

    def _watch(self) -> tuple[str, str, list[GateResult]]:
        """Asks pairs in the present step until there is something to decide."""
        at, plan = self.at, self.plan
        began, spent = time.monotonic(), at.seconds
        looked = recorded = began
        since = 0
        self._look_around()
        asking = pairs(
            self.rollout.client, plan.model, self._source(), at.stable, at.version, parallel=plan.parallel
        )
        with contextlib.closing(asking):
            for pair in asking:
                if pair is not None:
                    since += self._take(pair)
                now = time.monotonic()
                at.seconds = spent + now - began
                if since < LOOK_PAIRS and now - looked < LOOK_SECONDS:
                    continue
                looked, since = now, 0
                at.outcomes = self.gates.state()
                if (decided := self._decide()) is not None:
                    return decided
                if now - recorded >= RECORD_SECONDS:
                    recorded = now
                    self._look_around()
                    self._write('evidence')
        raise ServingError('the requests have come to an end')

    def _take(self, pair: Pair) -> bool:
        """Counts a pair; not one that failed because the server has gone, unless the new version ended it."""
        at = self.at
        if pair.failed and not self._served():
            self.moves.retry_unavailable(self.moves.hold)
            if pair.old.error or pair.new.code != 'UNAVAILABLE':
                return False
        self.gates.add(pair)
        at.total += 1
        at.unanswered += pair.failed
        at.requests += not pair.failed
        return True

    def _decide(self) -> tuple[str, str, list[GateResult]] | None:
        at, step, most = self.at, self.plan.steps[self.at.step], self.plan.maximum_requests
        judged = self.gates.judge()
        if self.live is not None:
            judged.append(self.live.judge(self.gates.alpha))
        if failed := [each for each in judged if each.verdict == FAIL]:
            return ROLL_BACK, '; '.join(map(_told, failed)), judged
        waiting = [each for each in judged if each.verdict == WAIT]
        enough = at.requests >= step.minimum_requests
        if not waiting and enough and at.seconds >= step.minimum_seconds:
            last = at.step == len(self.plan.steps) - 1
            return (PROMOTE if last else NEXT), 'every gate passes', judged
        if waiting and at.total >= most:
            names = ', '.join(f'{each.gate} ({each.note})' if each.note else each.gate for each in waiting)
            return ROLL_BACK, f'not shown to be good after {at.total} requests: {names}', judged
        if not enough and at.requests + at.unanswered >= most:
            return ROLL_BACK, f'both versions answered {at.requests} of {most} requests', judged
        return None

    def _look_around(self) -> None:
        """Sees that nobody else has moved anything, and reads the live counts."""
        self.moves.retry_unavailable(self.moves.hold)
        if self.live is None:
            return
        assert self.plan.metrics is not None
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

    def _source(self) -> Iterator[Asked | None]:
        source: Iterable[Asked | None]
        if self._rows is not None:
            source = sampled(self._rows)
        else:
            assert self.plan.log is not None
            source = Log(self.plan.log, self.plan.model, follow=True, places=self.at.log).requests()
        return paced(source, self.plan.requests_per_second)

    def _write(self, event: str, **values: Any) -> None:
        self._say(self.record.write(self.plan.model, event, **self.at.evidence(), **values))

    def _end(self, result: str, because: str) -> Outcome:
        self._write(END, result=result, because=because)
        return Outcome(result, self.at.version, self.at.stable, because, self.at.total)


def _told(judged: GateResult) -> str:
    estimate = 'nan' if judged.estimate is None else f'{judged.estimate:.4g}'
    return (
        f'{judged.gate} {estimate} [{judged.low:.4g}, {judged.high:.4g}], limit {judged.limit:.4g}, '
        f'{judged.count} outcomes'
    )
