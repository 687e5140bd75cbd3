"""The answer of one check."""

from dataclasses import dataclass

OK = 'ok'
NOTE = 'note'  # the main job runs, but somebody may want to know
BAD = 'bad'  # the main job would not run


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do about it where something is to be done."""

    name: str
    state: str
    found: str
    remedy: str = ''
