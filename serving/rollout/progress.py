"""Where an automatic rollout is, as its record tells."""

from dataclasses import dataclass, field
from typing import Any

from vaiven.serving.rollout.live_metrics import Counts

PROMOTE, ROLL_BACK, NEXT = 'promote', 'roll back', 'next step'
BEGIN, END, DECISION, PROMOTING = 'begin', 'end', 'decision', 'promoting'


@dataclass
class Progress:
    """Where a rollout is; all of it is in the record.

    Attributes:
        version, stable: the new version and the one that it replaces.
        plan: the plan that it began with, as `Plan.plain`.
        step: place of the present step in the plan.
        reached: whether the present step's share has been given.
        requests: pairs of this step that both versions answered.
        unanswered: pairs of this step that one of them did not answer.
        seconds: spent in this step.
        total: pairs asked in all.
        restores: how often the server had to be given its labels again.
        outcomes: what the gates remember, see `Gates.state`.
        live: counts of live requests.
        log: how far the log of requests has been read, see `Log.places`.
        decided: a decision that may not have been carried out yet, and why it was taken.
        promoting: whether the promotion may have begun.
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
    decided: tuple[str, str] | None = None
    promoting: bool = False

    def evidence(self) -> dict[str, Any]:
        """What every entry of the record tells."""
        return {
            'version': self.version,
            'stable': self.stable,
            **{name: getattr(self, name) for name in _TOLD},
        }

    def next_step(self) -> None:
        self.step += 1
        self.reached, self.requests, self.unanswered, self.seconds = False, 0, 0, 0.0
        self.outcomes = {gate: {**state, 'fresh': {}} for gate, state in self.outcomes.items()}

    @property
    def shares(self) -> tuple[float, ...]:
        """The percents that the canary may have now; none before it was given any."""
        percents = [step['percent'] for step in self.plan['steps']]
        if self.reached:
            return (percents[self.step],)
        return (percents[self.step - 1], percents[self.step]) if self.step else ()


_TOLD = (
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
    """The rollout that the record says is under way. Raises KeyError or TypeError where it is no record."""
    found: Progress | None = None
    for entry in entries[_last_beginning(entries) :]:
        event = entry.get('event')
        if event == BEGIN:
            found = Progress(entry['version'], entry['stable'], entry['plan'])
            continue
        if found is None or event == END:
            return None
        for name in _TOLD:
            setattr(found, name, entry[name])
        if event == PROMOTING:
            found.promoting = True
        if event == DECISION and entry['action'] == NEXT:
            found.next_step()
        elif event == DECISION:
            found.decided = entry['action'], entry['because']
    return found


def _last_beginning(entries: list[dict[str, Any]]) -> int:
    return max((place for place, entry in enumerate(entries) if entry.get('event') == BEGIN), default=0)
