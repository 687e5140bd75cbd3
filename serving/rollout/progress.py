"""The progress of an automatic rollout, restored from its journal."""

from dataclasses import dataclass, field
from typing import Any

from vaiven.serving.rollout.live_metrics import Counts

PROMOTE, ROLL_BACK, NEXT = 'promote', 'roll back', 'next step'
START, END, DECISION, PROMOTING = 'begin', 'end', 'decision', 'promoting'


@dataclass
class Progress:
    """The progress of a rollout; all of it is in the journal.

    Attributes:
        version: the new version.
        stable: the version that it replaces.
        plan: the plan at the start, the result of `Plan.to_values`.
        step: index of the current step in the plan.
        reached: whether the canary has the share of the current step.
        requests: pairs of this step that both versions answered.
        unanswered: pairs of this step that at least one version did not answer.
        seconds: time spent in this step.
        total: pairs of all steps.
        restores: how often the server got its labels back after it had lost them.
        outcomes: the result of `Gates.state`.
        live: counts of live requests.
        log: the read position in each file of the request log, from `RequestLog.positions`.
        decision: an action that may not have been completed, and the reason for it.
        promoting: whether the promotion may have started.
    """

    version: int
    stable: int
    plan: dict[str, Any]
    step: int = 0
    reached: bool = False
    requests: int = 0
    unanswered: int = 0
    seconds: float = 0.0
    total: int = 0
    restores: int = 0
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    live: Counts | None = None
    log: dict[str, int] = field(default_factory=dict)
    decision: tuple[str, str] | None = None
    promoting: bool = False

    def evidence(self) -> dict[str, Any]:
        """Returns the values that every entry of the journal contains."""
        return {
            'version': self.version,
            'stable': self.stable,
            **{name: getattr(self, name) for name in _JOURNAL_KEYS},
        }

    def next_step(self) -> None:
        """Moves to the next step, which starts without evidence of its own."""
        self.step += 1
        self.reached, self.requests, self.unanswered, self.seconds = False, 0, 0, 0.0
        self.outcomes = {gate: {**state, 'fresh': {}} for gate, state in self.outcomes.items()}

    @property
    def shares(self) -> tuple[float, ...]:
        """The percents that the canary may have now; empty before its first share.

        Between a decision and its completion the canary has either the share of the previous or of the current step.
        """
        percents = [step['percent'] for step in self.plan['steps']]
        if self.reached:
            return (percents[self.step],)
        return (percents[self.step - 1], percents[self.step]) if self.step else ()


# Attributes that are keys of the file, too.
_JOURNAL_KEYS = (
    'step',
    'reached',
    'requests',
    'unanswered',
    'seconds',
    'total',
    'restores',
    'outcomes',
    'live',
    'log',
)


def unfinished(entries: list[dict[str, Any]]) -> Progress | None:
    """Returns the progress of the rollout that has not ended.

    Args:
        entries: the entries of a journal about one model, oldest first.

    Returns:
        The progress; None if every rollout has ended.

    Raises:
        KeyError: the entries are not those of a journal.
        TypeError: the same.
    """
    progress: Progress | None = None
    for entry in entries[_last_start(entries) :]:
        event = entry.get('event')
        if event == START:
            progress = Progress(entry['version'], entry['stable'], entry['plan'])
            continue
        if progress is None or event == END:
            return None
        for name in _JOURNAL_KEYS:
            setattr(progress, name, entry[name])
        if event == PROMOTING:
            progress.promoting = True
        # The entry has the values at the time of the decision: what the decision changed is repeated here.
        if event == DECISION and entry['action'] == NEXT:
            progress.next_step()
        elif event == DECISION:
            progress.decision = entry['action'], entry['because']
    return progress


def _last_start(entries: list[dict[str, Any]]) -> int:
    return max((index for index, entry in enumerate(entries) if entry.get('event') == START), default=0)
