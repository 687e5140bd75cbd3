"""Where an automatic rollout is, as its record tells."""

from dataclasses import dataclass, field
from typing import Any

from vaiven.serving.rollout.live import Counts

PROMOTE, ROLL_BACK, NEXT = 'promote', 'roll back', 'next step'


@dataclass
class Progress:
    """Where a rollout is; all of it is in the record.

    Attributes:
        version, stable: the new version and the one that it replaces.
        step: place of the present step in the plan.
        requests, seconds: asked and spent in this step.
        total: pairs asked in all.
        seen: outcomes by gate.
        live: counts of live requests.
        decided: a decision that may not have been carried out yet, and why it was taken.
        reached: whether the present step's share has been given.
    """

    version: int
    stable: int
    step: int = 0
    requests: int = 0
    seconds: float = 0.0
    total: int = 0
    seen: dict[str, dict[float, int]] = field(default_factory=dict)
    live: Counts | None = None
    decided: tuple[str, str] | None = None
    reached: bool = False

    def evidence(self) -> dict[str, Any]:
        outcomes = {
            gate: {f'{value:g}': count for value, count in seen.items()} for gate, seen in self.seen.items()
        }
        return {
            'version': self.version, 'stable': self.stable, 'step': self.step, 'requests': self.requests,
            'seconds': round(self.seconds, 3), 'total': self.total, 'outcomes': outcomes, 'live': self.live,
        }  # fmt: skip


def unfinished(entries: list[dict[str, Any]]) -> Progress | None:
    """The rollout that the record says is under way."""
    found: Progress | None = None
    for entry in entries:
        event = entry.get('event')
        if event == 'begin':
            found = Progress(entry['version'], entry['stable'])
        elif found is None:
            continue
        elif event == 'end':
            found = None
        elif event == 'decision':
            _take_up(found, entry)
            if entry['action'] == NEXT:
                found.step, found.requests, found.seconds, found.reached = found.step + 1, 0, 0.0, False
            else:
                found.decided = entry['action'], entry['because']
        elif event in ('step', 'evidence', 'stopped'):
            _take_up(found, entry)
            found.reached = True
    return found


def _take_up(progress: Progress, entry: dict[str, Any]) -> None:
    for name in ('step', 'requests', 'seconds', 'total', 'live'):
        setattr(progress, name, entry[name])
    progress.seen = {
        gate: {float(value): count for value, count in seen.items()}
        for gate, seen in entry['outcomes'].items()
    }
