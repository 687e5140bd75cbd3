"""Which versions a move is about: the stable one where none has the label, the one to go back to, those to keep."""

from collections.abc import Mapping, Sequence

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout.server_state import Status


def unnamed_stable(model: str, now: Status, canary: int) -> int:
    """The version that is stable beside `canary` where none has the label: the newest other one that is loaded.

    Plain requests get the newest version that is loaded, so that is what users had until now.

    Raises:
        ServingError: no other version is loaded.
    """
    others = [number for number in now.available if number != canary]
    if others:
        return max(others)
    served = f'only version {canary} is served' if now.available else 'no version is loaded'
    raise ServingError(
        f'no version of {model!r} has the label {STABLE}, and {served}: promote one first, '
        'with `vaiven rollout promote VERSION`'
    )


def previous(model: str, now: Status, pushed: Sequence[int]) -> int:
    """The version that a rollback without canary takes: the next lower one, loaded or else on disk.

    Raises:
        ServingError: no version is stable, or there is no lower one.
    """
    if now.stable is None:
        raise ServingError(
            f'no version of {model!r} has the label {STABLE}, so there is nothing to roll back: promote one first'
        )
    for numbers in (now.available, pushed):
        lower = [number for number in numbers if number < now.stable]
        if lower:
            return max(lower)
    raise ServingError(
        f'version {now.stable} of {model!r} is {STABLE}, and there is no lower one to go back to'
    )


def keep(version: int, now: Status, labels: Mapping[str, int]) -> set[int]:
    """What stays in memory beside `version`: what has a label or had, what is newest, and the next lower one."""
    lower = [number for number in now.available if number < version]
    had = {number for number in now.available if number == now.stable}
    return {version, *labels.values(), *had, *now.available[:1], *lower[:1]}
