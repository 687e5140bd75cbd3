"""The moves of an automatic rollout: each first looks whether the server is as the rollout has left it.

Somebody who has moved a label or the split meanwhile has taken the rollout over; a server that was started anew has
lost its labels, and gets them again.
"""

import time
from collections.abc import Callable

from vaiven.serving.client import DeadlineError, NotFoundError, RequestError, UnavailableError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout.progress import PROMOTING, Progress
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.server_state import CANARY, Status

WAIT_SECONDS = 0.5
MAX_RESTORES = 3


class TakenOverError(Exception):
    """Somebody else has moved the labels or the split."""


class LostTooOftenError(ServingError):
    """The server went away more often than that is waited for: the new version may be what ends it."""


class RolloutActions:
    """Carries out what was decided."""

    def __init__(
        self, rollout: Rollout, at: Progress, write: Callable[..., None], timeout: float = 120.0
    ) -> None:
        """
        Args:
            rollout: makes the moves.
            at: where the rollout is; restores are counted there.
            write: writes an event, with values, into the record.
            timeout: seconds that loading a version may take.
        """
        self._rollout = rollout
        self._at = at
        self._write = write
        self._timeout = timeout
        self._gone = 0

    def retry_unavailable(self, act: Callable[[], object]) -> None:
        """Does it, and again when a server that has gone, does not answer or is being started is back."""
        waiting = False
        while True:
            try:
                act()
                return
            except RequestError as error:
                gone = isinstance(error, UnavailableError | DeadlineError | NotFoundError)
                if not gone and error.code != 'CANCELLED':  # gRPC says that of a request whose server ends
                    raise
                if not waiting:
                    self._write('waiting', error=str(error))
                waiting = True
                time.sleep(WAIT_SECONDS)

    def hold(self) -> None:
        """Sees that all is as it was left, and gives a server that was started anew its labels again.

        Raises:
            TakenOverError: somebody else has moved something.
            LostTooOftenError: that has happened too often.
        """
        at = self._at
        now = self._rollout.status()
        self._check_labels(now, canary=bool(at.shares))
        self._check_share()
        wanted = {STABLE: at.stable, CANARY: at.version} if at.shares else {STABLE: at.stable}
        if all(now.labels.get(label) == version for label, version in wanted.items()):
            return
        if at.restores >= MAX_RESTORES:
            raise LostTooOftenError(
                f'the server has lost its labels {at.restores + 1} times: version {at.version} may have ended it'
            )
        at.restores += 1
        self._write('restoring')
        self._rollout.restore(wanted, self._timeout)

    def give_share(self) -> None:
        """The canary gets the share of the present step. Raises as `hold`."""
        at = self._at
        self.hold()
        try:
            self._rollout.canary(at.version, at.plan['steps'][at.step]['percent'], self._timeout)
        except UnavailableError as error:
            self._gone += 1
            if self._gone <= MAX_RESTORES:
                raise
            raise LostTooOftenError(
                f'the server went away {self._gone} times while version {at.version} was to get its share'
            ) from error

    def promote(self) -> None:
        """Also where this was begun earlier, and cut off. Raises TakenOverError."""
        at = self._at
        now = self._rollout.status()
        moved = now.stable == at.version and now.canary in (None, at.version)
        lost = now.stable is None and at.promoting
        if not moved and not lost:
            self._check_labels(now)
            self._check_share()
        if not at.promoting:
            at.promoting = True
            self._write(PROMOTING)
        self._rollout.promote(at.version, self._timeout)

    def go_back(self) -> None:
        """Also where this was begun earlier, and cut off. Raises TakenOverError."""
        now = self._rollout.status()
        self._check_labels(now)
        if now.stable is not None and now.canary is not None:
            self._rollout.rollback(self._timeout)
        else:
            self._rollout.promote(self._at.stable, self._timeout)

    def _check_labels(self, now: Status, *, canary: bool = True) -> None:
        at = self._at
        if now.stable not in (None, at.stable):
            raise TakenOverError(f'version {now.stable} is {STABLE} now, which was {at.stable}')
        if canary and now.canary not in (None, at.stable, at.version):
            raise TakenOverError(f'version {now.canary} is the {CANARY} now, which was {at.version}')

    def _check_share(self) -> None:
        at = self._at
        if not at.shares:
            return
        share = self._rollout.split().weights.get(CANARY)
        if share is None:
            raise TakenOverError(f'version {at.version} was taken back by hand')
        if share not in at.shares:
            raise TakenOverError(
                f'version {at.version} was given {share:g} % by hand, not {at.shares[0]:g} %'
            )
