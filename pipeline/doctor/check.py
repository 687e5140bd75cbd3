"""The result of a check."""

from dataclasses import dataclass

OK = 'ok'
NOTE = 'note'  # a run works, but could work better
BAD = 'bad'  # a run cannot work


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
        name: what was checked.
        state: `OK`, `NOTE` or `BAD`.
        found: details of the result.
        remedy: what to do; empty for nothing.
    """

    name: str
    state: str
    found: str
    remedy: str = ''
