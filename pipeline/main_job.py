"""The main job: from files to a served model, with a progress display."""

import contextlib
import dataclasses
import errno
import os
import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.errors import UserError
from vaiven.pipeline.completed import CompletedComponents
from vaiven.pipeline.config import Config
from vaiven.pipeline.interruption import StoppedError, record_signals
from vaiven.pipeline.measures_display import print_language, print_measures
from vaiven.pipeline.paths import ARTIFACTS, FolderError, RunPaths
from vaiven.pipeline.progress_display import STDOUT, ProgressDisplay, progress_display
from vaiven.pipeline.run_lock import run_lock
from vaiven.pipeline.stages import ALWAYS_RUN, SOURCES, fingerprints
from vaiven.pipeline.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from vaiven.pipeline.demo_inputs import DemoInputs
    from vaiven.pipeline.results import RunResults
    from vaiven.pipeline.runner import ComponentResult
    from vaiven.pipeline.store import MissingArtifact

# Errors of the file system that mean a full disk, or a folder that cannot be written.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)


def run_job(
    config: Config,
    files: DataFiles,
    paths: RunPaths,
    demo_inputs: 'DemoInputs | None',
    progress_to: int = STDOUT,
    teacher_only: bool = False,
) -> 'RunResults':
    """Runs the pipeline, and shows predictions of the pushed model.

    Args:
        config: what the run makes.
        files: the data, already checked.
        paths: the folders of the run.
        demo_inputs: texts whose predictions are shown; None to start no server.
        progress_to: file descriptor that the progress is printed to, `STDOUT` or `STDERR`.
        teacher_only: whether to run the components up to the teacher only.

    Returns:
        The results. Their `version` is None if the model was not blessed.

    Raises:
        UserError: another run holds the folder, a component failed, or the served model does not answer.
        FolderError: the folder cannot be written, or its disk is full.
        StoppedError: SIGINT or SIGTERM arrived.
    """
    try:
        return _run_job(config, files, paths, demo_inputs, progress_to, teacher_only)
    except OSError as error:
        if error.errno in _FULL:
            raise FolderError(paths.root, 'the disk is full') from error
        if error.errno in _NOT_WRITABLE:
            raise FolderError(paths.root, error.strerror or str(error)) from error
        raise


def _run_job(
    config: Config,
    files: DataFiles,
    paths: RunPaths,
    demo_inputs: 'DemoInputs | None',
    progress_to: int,
    teacher_only: bool,
) -> 'RunResults':
    log = paths.new_log()
    os.makedirs(paths.logs, exist_ok=True)
    open(log, 'a').close()
    with (
        run_lock(paths.root),
        temporary_folder(),
        record_signals() as signals,
        progress_display(log, progress_to) as display,
    ):
        display.line(display.bold(f'{config.name}: {_describe_files(files)} → {_display_path(paths.root)}'))
        display.line(display.dim(f'log: {_display_path(log)}'))
        current = _CurrentComponent()
        try:
            results = _run_pipeline(display, config, files, paths, current, teacher_only)
            if teacher_only:
                return results
            _print_results(display, results, paths)
            if results.version is None:
                return results
            if demo_inputs:
                from vaiven.pipeline.demo import show_predictions

                server_log = log.removesuffix('.log') + '-server.log'
                show_predictions(display, config.name, paths.serving, demo_inputs, server_log)
                display.line()
        except BaseException as error:
            if signals.exit_status is not None:
                raise StoppedError(current.name, signals.exit_status) from error
            if isinstance(error, UserError) and hasattr(error, 'component'):
                raise _LoggedError(error, _display_path(log)) from error
            raise
        display.line(f'to serve it: vaiven serve {shlex.quote(_display_path(paths.serving))}')
        return results


class _LoggedError(UserError):
    """An error whose message ends with the path of the full log."""

    def __init__(self, error: UserError, log: str) -> None:
        super().__init__(f'{error}; the full log is {log}')
        self.exit_status = error.exit_status


@dataclasses.dataclass
class _CurrentComponent:
    """The running component, or the last one at the end of the run."""

    name: str | None = None


def _run_pipeline(
    display: ProgressDisplay,
    config: Config,
    files: DataFiles,
    paths: RunPaths,
    current: _CurrentComponent,
    teacher_only: bool,
) -> 'RunResults':
    start = time.monotonic()
    display.set_activity('loading TFX')
    # These imports take ten seconds and print from C++, so they wait until the display redirects the streams.
    from vaiven.models.training.hardware import share_cores
    from vaiven.pipeline.graph import local_pipeline, teacher_pipeline
    from vaiven.pipeline.results import RunResults
    from vaiven.pipeline.runner import ComponentError, run
    from vaiven.pipeline.workspace import synchronize_store, workspace

    share_cores(config.network)
    completed, current_fingerprints = CompletedComponents(paths.root), fingerprints(config, files)
    results = RunResults(config.data.label_spec().classes)
    rows = [('loading TFX', f'{time.monotonic() - start:.1f}', '', '')]
    start_times: dict[str, float] = {}
    baseline: list[str] = []

    def on_start(name: str, number: int, count: int) -> None:
        current.name = name
        start_times[name] = time.monotonic()
        display.line(f'[{number:2}/{count}] {name}')
        display.set_activity(f'        {name}')

    def on_end(result: 'ComponentResult') -> None:
        display.set_activity(None)
        uris = [artifact.uri for artifacts in result.outputs.values() for artifact in artifacts]
        if result.name == 'BaselineModel':
            baseline.extend(uris)
        if result.name in current_fingerprints:
            # An evaluation runs again if the model that it compared with is gone.
            needed = uris + baseline if 'Evaluator' in result.name else uris
            completed.add(result.name, current_fingerprints[result.name], needed)
        state = 'cached' if result.cached else 'run'
        rows.append((result.name, f'{result.seconds:.1f}', state, results.add(result)))

    try:
        with workspace(config.placement, files, paths) as (links, inside):
            prefix = inside.artifacts.removesuffix(ARTIFACTS)
            _print_missing_artifacts(display, synchronize_store(paths.root, prefix, completed))
            pipeline = (teacher_pipeline if teacher_only else local_pipeline)(config, links, inside)
            run(pipeline, ALWAYS_RUN, SOURCES, on_start, on_end)
    except ComponentError as error:
        seconds = time.monotonic() - start_times[error.component]
        rows.append((error.component, f'{seconds:.1f}', 'failed', ''))
        raise
    finally:
        display.set_activity(None)
        results.seconds = time.monotonic() - start
        rows.append(('all', f'{results.seconds:.1f}', '', ''))
        _print_components(display, rows)
    return results


def _print_missing_artifacts(display: ProgressDisplay, artifacts: 'Sequence[MissingArtifact]') -> None:
    """Names the models that are ignored because their files are gone. Other artifacts are created again."""
    for artifact in artifacts:
        if artifact.type_name == 'Model':
            display.line(f'ignored: the model {artifact.uri}, because files are missing ({artifact.path})')
    if others := [artifact for artifact in artifacts if artifact.type_name != 'Model']:
        more = f' and {len(others) - 1} more' if len(others) > 1 else ''
        display.line(f'ignored because files are missing: {others[0].path}{more}')


def _print_components(display: ProgressDisplay, rows: Sequence[tuple[str, str, str, str]]) -> None:
    styles = {'cached': 'dim', 'failed': 'red'}
    display.line()
    display.table(('component', 'seconds', '', ''), [(styles.get(row[2], ''), row) for row in rows])
    display.line()


def _print_results(display: ProgressDisplay, results: 'RunResults', paths: RunPaths) -> None:
    if results.accuracy is not None:
        print_measures(display, results)
    if results.language:
        print_language(display, results.language)
    if results.version is None:
        display.line(display.red(f'not pushed: {results.reason}'))
    else:
        state = 'pushed' if results.pushed else 'was pushed before'
        folder = _display_path(os.path.join(paths.root, results.destination))
        display.line(f'version {results.version} {state}: {folder}')
    if results.curves:
        curves = _display_path(os.path.join(paths.root, results.curves))
        display.line(display.dim(f'learning curves: tensorboard --logdir {shlex.quote(curves)}'))
    display.line()


def _describe_files(files: DataFiles) -> str:
    def describe(paths: Sequence[str]) -> str:
        return _display_path(paths[0]) + (f' and {len(paths) - 1} more' if len(paths) > 1 else '')

    vectors = () if files.vectors is None else (files.vectors.path,)
    more = {'unlabelled': files.unlabelled, 'teacher': files.teacher, 'vectors': vectors}
    return describe(files.data) + ''.join(
        f', {kind} {describe(paths)}' for kind, paths in more.items() if paths
    )


def _display_path(path: str) -> str:
    """A path as it is printed: relative if that is shorter, with control characters escaped."""
    with contextlib.suppress(ValueError, OSError):
        path = min(os.path.relpath(path), path, key=len)
    return ''.join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in path)
