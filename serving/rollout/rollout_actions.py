"""The actions of an automatic rollout; each first verifies that the server is as the rollout has left it.

If somebody else has changed a label or the split, that person has taken the rollout over, and it ends. A restarted
server has lost its labels, and gets them again.
"""

import time
from collections.abc import Callable

from vaiven.serving.client import DeadlineError, NotFoundError, RequestError, UnavailableError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout.progress import PROMOTING, Progress
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.server_state import CANARY, ModelState

RETRY_SECONDS = 0.5
# A server may be restarted once or twice during a rollout that takes days. More often, the new version may be what
# ends it, and restoring its label would end the server again.
MAX_RESTORES = 3


class TakenOverError(Exception):
    """Somebody else has changed the labels or the split."""


class LostTooOftenError(ServingError):
    """The server went away too often: the new version may be what ends it."""


class RolloutActions:
    """Carries out the decisions of one rollout."""

    def __init__(
        self, rollout: Rollout, progress: Progress, write: Callable[..., None], timeout: float = 120.0
    ) -> None:
        """
        Args:
            rollout: changes the labels and the split.
            progress: where the rollout is; restores are counted in it.
            write: writes an event, with values, to the journal.
            timeout: seconds that loading a version may take.
        """
        self._rollout = rollout
        self._progress = progress
        self._write = write
        self._timeout = timeout
        self._lost = 0

    def retry_unavailable(self, action: Callable[[], object]) -> None:
        """Calls `action`, and again while the server is away, does not answer in time, or is starting.

        Args:
            action: is safe to repeat.

        Raises:
            RequestError: the server answered with another error.
        """
        waiting = False
        while True:
            try:
                action()
                return
            except RequestError as error:
                unavailable = isinstance(error, UnavailableError | DeadlineError | NotFoundError)
                # gRPC reports CANCELLED for a request whose server shuts down.
                if not unavailable and error.code != 'CANCELLED':
                    raise
                if not waiting:
                    self._write('waiting', error=str(error))
                waiting = True
                time.sleep(RETRY_SECONDS)

    def verify_unchanged(self) -> None:
        """Verifies that labels and split are as the rollout left them, and gives a restarted server its labels again.

        Raises:
            TakenOverError: somebody else has changed them.
            LostTooOftenError: the server has lost its labels too often.
        """
        progress = self._progress
        state = self._rollout.state()
        self._check_labels(state, canary=bool(progress.shares))
        self._check_share()
        labels = {STABLE: progress.stable}
        if progress.shares:
            labels[CANARY] = progress.version
        if all(state.labels.get(label) == version for label, version in labels.items()):
            return
        if progress.restores >= MAX_RESTORES:
            raise LostTooOftenError(
                f'the server has lost its labels {progress.restores + 1} times: '
                f'version {progress.version} may have ended it'
            )
        # Counted before it is done: if the restored version ends the server and this process, that was one.
        progress.restores += 1
        self._write('restoring')
        self._rollout.restore(labels, self._timeout)

    def set_share(self) -> None:
        """Gives the canary the share of the current step.

        Raises:
            TakenOverError: somebody else has changed labels or split.
            LostTooOftenError: the server went away too often.
        """
        progress = self._progress
        self.verify_unchanged()
        try:
            self._rollout.canary(
                progress.version, progress.plan['steps'][progress.step]['percent'], self._timeout
            )
        except UnavailableError as error:
            self._lost += 1
            if self._lost <= MAX_RESTORES:
                raise
            raise LostTooOftenError(
                f'the server went away {self._lost} times while version {progress.version} was to get its share'
            ) from error

    def promote(self) -> None:
        """Promotes the new version, also after an earlier attempt was interrupted.

        Raises:
            TakenOverError: somebody else has changed labels or split.
        """
        progress = self._progress
        state = self._rollout.state()
        # An earlier attempt may have got this far, or the server may have restarted after it: neither is a takeover.
        promoted = state.stable == progress.version and state.canary in (None, progress.version)
        lost = state.stable is None and progress.promoting
        if not promoted and not lost:
            self._check_labels(state)
            self._check_share()
        if not progress.promoting:
            progress.promoting = True
            self._write(PROMOTING)
        self._rollout.promote(progress.version, self._timeout)

    def roll_back(self) -> None:
        """Withdraws the new version, also after an earlier attempt was interrupted.

        Raises:
            TakenOverError: somebody else has changed the labels.
        """
        state = self._rollout.state()
        self._check_labels(state)
        if state.stable is not None and state.canary is not None:
            self._rollout.rollback(self._timeout)
        else:
            # Not `rollback`: without a canary that would go to the version below the stable one.
            self._rollout.promote(self._progress.stable, self._timeout)

    def _check_labels(self, state: ModelState, *, canary: bool = True) -> None:
        progress = self._progress
        if state.stable not in (None, progress.stable):
            raise TakenOverError(
                f'version {state.stable} has the label {STABLE} now, version {progress.stable} had it'
            )
        # A rollback that was interrupted leaves the label on the stable version.
        if canary and state.canary not in (None, progress.stable, progress.version):
            raise TakenOverError(
                f'version {state.canary} has the label {CANARY} now, version {progress.version} had it'
            )

    def _check_share(self) -> None:
        progress = self._progress
        if not progress.shares:
            return
        share = self._rollout.split().weights.get(CANARY)
        if share is None:
            raise TakenOverError(f'version {progress.version} was taken back by hand')
        if share not in progress.shares:
            raise TakenOverError(
                f'version {progress.version} was given {share:g} % by hand, not {progress.shares[0]:g} %'
            )
