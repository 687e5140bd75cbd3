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
from vaiven.serving.rollout.request_tables import Columns
from vaiven.serving.rollout.requests import Request, read_requests
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.rollout_run import Outcome, RolloutRun
from vaiven.serving.rollout.server_state import ModelState
from vaiven.serving.rollout.version_labels import compared_labels


class Auto:
    """Carries out one plan."""

    def __init__(
        self,
        rollout: Rollout,
        plan: Plan,
        journal: Journal,
        report: Callable[[dict[str, Any]], None],
        remark: Callable[[str], None] = lambda line: None,
    ) -> None:
        """
        Args:
            rollout: changes the labels and the split.
            plan: of the same model.
            journal: open; decisions are written to it, and an unfinished rollout in it is resumed.
            report: called with each entry of the journal.
            remark: called with each irregularity in the table of requests that is not an error, as one line.

        Raises:
            ServingError: the actions would end the server's request log.
        """
        if plan.log is not None and not rollout.logs:
            raise ServingError(
                'log requires --config-file with the logging_config of the model: each action sends the server its '
                'whole configuration, and without that entry the log would end'
            )
        self.rollout = rollout
        self.plan = plan
        self.journal = journal
        self._report = report
        self._remark = remark

    def run(self, version: int | None = None, timeout: float = 120.0) -> Outcome:
        """Rolls a version out to all traffic, or back.

        Args:
            version: the new version; None for that of the unfinished rollout, or the newest above the stable one that
                was not rolled back before.
            timeout: seconds that loading a version may take.

        Raises:
            ServingError: there is no such version, another rollout is unfinished or was started with another plan, no
                version is stable, the requests of the plan cannot be read, or no gate could test the versions with
                them; nothing was changed.
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
            versions = self._choose(version, state)
            rows = self._read_rows(*versions)
            progress = self._start(*versions)
        else:
            rows = self._read_rows(progress.stable, progress.version)
        run = RolloutRun(self.rollout, self.plan, progress, rows, self.journal, self._report, timeout)
        return run.run(resumed=resumed, name_stable=name_stable)

    def _read_rows(self, stable: int, version: int) -> list[Request] | None:
        """Returns the requests of the plan, with the labels of the new version; None if it follows a request log."""
        rows = None
        if self.plan.requests is not None:
            rollout, model = self.rollout, self.plan.model
            labels = compared_labels(rollout.client, model, rollout.base_path, stable, version)
            columns, remarks = Columns(self.plan.text_column, self.plan.label_column), list[str]()
            rows = read_requests(self.plan.requests, model, columns, labels, remarks)
            for line in remarks:
                self._remark(line)
        require_decision_gate(self.plan.gates, any(row.expected_label is not None for row in rows or ()))
        return rows

    def _choose(self, version: int | None, state: ModelState) -> tuple[int, int]:
        """Returns the version that is stable, and the version to roll out."""
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
        return stable, version

    def _start(self, stable: int, version: int) -> Progress:
        """Writes the first entry of a new rollout."""
        plan = self.plan.to_values(self.rollout.base_path)
        self._report(self.journal.write(self.plan.model, START, version=version, stable=stable, plan=plan))
        return Progress(version, stable, plan)
