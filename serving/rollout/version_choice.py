"""Which versions an action affects: the default stable version, the target of a rollback, those to keep."""

from collections.abc import Mapping, Sequence

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout.server_state import ModelState


def default_stable(model: str, state: ModelState, canary: int) -> int:
    """Returns the version that becomes stable beside a canary if no version has the label: the newest other loaded one.

    TensorFlow Serving sends requests without a label to the newest loaded version, so users had that version so far.

    Args:
        model: name of the model.
        state: what the server reports.
        canary: the version that becomes the canary.

    Raises:
        ServingError: no other version is loaded.
    """
    others = [version for version in state.available if version != canary]
    if others:
        return max(others)
    available = (
        f'version {canary} is the only available version' if state.available else 'no version is loaded'
    )
    raise ServingError(
        f'no version of {model!r} has the label {STABLE}, and {available}: promote one first, '
        'with `vaiven rollout promote VERSION`'
    )


def previous_version(model: str, state: ModelState, pushed: Sequence[int]) -> int:
    """Returns the target of a rollback without a canary: the next lower version, a loaded one before one on disk.

    Args:
        model: name of the model.
        state: what the server reports.
        pushed: the versions on disk.

    Raises:
        ServingError: no version is stable, or there is no lower one.
    """
    if state.stable is None:
        raise ServingError(
            f'no version of {model!r} has the label {STABLE}, so there is nothing to roll back: promote one first'
        )
    for versions in (state.available, pushed):
        lower = [version for version in versions if version < state.stable]
        if lower:
            return max(lower)
    raise ServingError(f'version {state.stable} of {model!r} is {STABLE}, and there is no lower version')


def versions_to_keep(version: int, state: ModelState, labels: Mapping[str, int]) -> set[int]:
    """Returns the versions that stay loaded once `version` is stable.

    Args:
        version: the new stable version.
        state: what the server reported before.
        labels: the labels after the change.

    Returns:
        `version`, the versions with a label, the previous stable one, the newest loaded one, and the next lower one.
    """
    # The newest answers requests without a label, and the next lower one is the target of a rollback, which must not
    # wait for a load. The previous stable version still runs requests that resolved the label before the change.
    lower = [number for number in state.available if number < version]
    previous_stable = {number for number in state.available if number == state.stable}
    return {version, *labels.values(), *previous_stable, *state.available[:1], *lower[:1]}
