"""Starts or resumes an automatic rollout: one that decides its steps by gates, and rolls back when one fails."""

from collections.abc import Callable
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE
from vaiven.serving.rollout import serving_folder, version_choice
from vaiven.serving.rollout.gates import require_decision_gate
from vaiven.serving.rollout.journal import Journal
from vaiven.serving.rollout.plan import Plan
from vaiven.serving.rollout.progress import DECISION, ROLL_BACK, START, Progress, unfinished
from vaiven.serving.rollout.request_tables import Columns, model_labels
from vaiven.serving.rollout.requests import Request, read_requests
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.rollout_run import Outcome, RolloutRun
from vaiven.serving.rollout.server_state import ModelState


class Auto:
    """Carries out one plan.

    Attributes:
        remarks: irregularities in the table of requests that are not errors, one line each.
    """

    def __init__(
        self, rollout: Rollout, plan: Plan, journal: Journal, report: Callable[[dict[str, Any]], None]
    ) -> None:
        """
        Args:
            rollout: changes the labels and the split.
            plan: of the same model.
            journal: open; decisions are written to it, and an unfinished rollout in it is resumed.
            report: called with each entry of the journal.

        Raises:
            ServingError: the requests of the plan cannot be read, no gate could test the versions with them, or the
                actions would end the server's request log.
        """
        if plan.log is not None and not rollout.logs:
            raise ServingError(
                'log requires --config-file with the logging_config of the model: each action sends the server its '
                'whole configuration, and without that entry the log would end'
            )
        self.rollout = rollout
        self.plan = plan
        self.journal = journal
        self.remarks: list[str] = []
        self._report = report
        self._rows = self._read_rows()
        require_decision_gate(plan.gates, any(row.expected_label is not None for row in self._rows or ()))

    def run(self, version: int | None = None, timeout: float = 120.0) -> Outcome:
        """Rolls a version out to all traffic, or back.

        Args:
            version: the new version; None for that of the unfinished rollout, or the newest above the stable one that
                was not rolled back before.
            timeout: seconds that loading a version may take.

        Raises:
            ServingError: there is no such version, another rollout is unfinished or was started with another plan, or
                no version is stable.
            RequestError: the version cannot be loaded; nothing was changed.
        """
        try:
            progress = unfinished(self.journal.entries(self.plan.model))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServingError(
                f'{self.journal.path} is not a journal of a rollout: name another file with --journal'
            ) from error
        if progress is not None and version not in (None, progress.version):
            raise ServingError(
                f'the rollout of version {progress.version} has not ended ({self.journal.path}): '
                'let it end, or end it with `vaiven rollout rollback`'
            )
        resumed, name_stable = progress is not None, False
        if progress is None:
            state = self.rollout.wait_until_loaded(timeout)
            name_stable = state.stable is None
            progress = self._start(version, state)
        run = RolloutRun(self.rollout, self.plan, progress, self._rows, self.journal, self._report, timeout)
        return run.run(resumed=resumed, name_stable=name_stable)

    def _read_rows(self) -> list[Request] | None:
        if self.plan.requests is None:
            return None
        base_path = self.rollout.base_path
        labels = model_labels(base_path, serving_folder.versions(base_path))
        columns = Columns(self.plan.text_column, self.plan.label_column)
        return read_requests(self.plan.requests, self.plan.model, columns, labels, self.remarks)

    def _start(self, version: int | None, state: ModelState) -> Progress:
        """Chooses the versions and writes the first entry of a new rollout."""
        base_path = self.rollout.base_path
        pushed = serving_folder.versions(base_path)
        stable = state.stable
        if stable is None:
            newest = max([*state.available, *pushed], default=0)
            stable = version_choice.default_stable(
                self.plan.model, state, newest if version is None else version
            )
        # A version that failed its gates would fail them again: it is retried only if it is named.
        rolled_back = {
            entry.get('version')
            for entry in self.journal.entries(self.plan.model)
            if entry.get('event') == DECISION and entry.get('action') == ROLL_BACK
        }
        newer = [pushed_version for pushed_version in pushed if pushed_version > stable]
        if version is None:
            version = next((candidate for candidate in newer if candidate not in rolled_back), None)
        if version is None:
            condition = ', that was not rolled back before: name one to try it again' if newer else ''
            raise ServingError(f'{base_path} has no version above {stable}, the {STABLE} version{condition}')
        plan = self.plan.to_values(base_path)
        self._report(self.journal.write(self.plan.model, START, version=version, stable=stable, plan=plan))
        return Progress(version, stable, plan)
