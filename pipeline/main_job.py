"""The main job: from files to a served model, told on a screen."""

import contextlib
import dataclasses
import errno
import os
import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.errors import UserError
from vaiven.pipeline.completed import DoneBefore
from vaiven.pipeline.config import Config
from vaiven.pipeline.interruption import StoppedError, noted
from vaiven.pipeline.paths import ARTIFACTS, FolderError, RunPaths
from vaiven.pipeline.progress_display import Screen, screen
from vaiven.pipeline.run_lock import locked
from vaiven.pipeline.stages import ALWAYS, SOURCES, fingerprints
from vaiven.pipeline.temporary_folder import scratch

if TYPE_CHECKING:
    from vaiven.pipeline.demo_inputs import Questions
    from vaiven.pipeline.results import Figures
    from vaiven.pipeline.runner import Step
    from vaiven.pipeline.store import Lost

# What the file system refuses a folder for.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)


def run_job(config: Config, files: DataFiles, paths: RunPaths, questions: 'Questions | None') -> int:
    """Runs the pipeline, and serves and asks what was pushed.

    Args:
        config: what is to be made.
        files: checked by the caller.
        paths: where everything is kept.
        questions: what the served model is asked; None to serve nothing.

    Returns:
        0 if the model is among the served versions; 1 if it was not blessed.

    Raises:
        UserError: another run holds the folder, a component failed, or the served model does not answer.
        FolderError: the folder cannot be written, or its disk is full.
        StoppedError: Ctrl-C or SIGTERM came in.
    """
    try:
        return _run_job(config, files, paths, questions)
    except OSError as error:
        if error.errno in _FULL:
            raise FolderError(paths.root, 'the disk is full') from error
        if error.errno in _NOT_WRITABLE:
            raise FolderError(paths.root, error.strerror or str(error)) from error
        raise


def _run_job(config: Config, files: DataFiles, paths: RunPaths, questions: 'Questions | None') -> int:
    log = paths.new_log()
    os.makedirs(paths.logs, exist_ok=True)
    open(log, 'a').close()
    with locked(paths.root), scratch(), noted() as signals, screen(log) as shown:
        shown.line(shown.bold(f'{config.name}: {_shown(files)} → {_relative(paths.root)}'))
        shown.line(shown.dim(f'log: {_relative(log)}'))
        running = _Running()
        try:
            figures = _run_pipeline(shown, config, files, paths, running)
            _tell(shown, figures, paths)
            if figures.version is None:
                return 1
            if questions:
                from vaiven.pipeline.demo import ask

                ask(shown, config.name, paths.serving, questions, log.removesuffix('.log') + '-server.log')
                shown.line()
        except BaseException as error:
            if signals.exit_status is not None:
                raise StoppedError(running.component, signals.exit_status) from error
            if isinstance(error, UserError) and hasattr(error, 'component'):
                raise _LoggedError(error, _relative(log)) from error
            raise
        shown.line(f'to serve it: vaiven serve {shlex.quote(_relative(paths.serving))}')
        return 0


class _LoggedError(UserError):
    """An error, and where all of it is written down."""

    def __init__(self, error: UserError, log: str) -> None:
        super().__init__(f'{error}; the full log is {log}')
        self.exit_status = error.exit_status


@dataclasses.dataclass
class _Running:
    """Which component runs; the last one when all are done."""

    component: str | None = None


def _run_pipeline(
    shown: Screen, config: Config, files: DataFiles, paths: RunPaths, running: _Running
) -> 'Figures':
    started = time.monotonic()
    shown.doing('loading TFX')
    # Ten seconds, and the C++ parts write to the terminal: only now, when the screen is there.
    from vaiven.models.training.hardware import share_cores
    from vaiven.pipeline.graph import local_pipeline
    from vaiven.pipeline.results import Figures
    from vaiven.pipeline.runner import ComponentError, run
    from vaiven.pipeline.workspace import bring_in_line, workspace

    share_cores(config.network)
    done_before, current = DoneBefore(paths.root), fingerprints(config, files)
    figures = Figures()
    rows = [('loading TFX', f'{time.monotonic() - started:.1f}', '', '')]
    begins: dict[str, float] = {}
    baseline: list[str] = []

    def began(name: str, number: int, count: int) -> None:
        running.component = name
        begins[name] = time.monotonic()
        shown.line(f'[{number:2}/{count}] {name}')
        shown.doing(f'        {name}')

    def ended(step: 'Step') -> None:
        shown.doing(None)
        uris = [output.uri for outputs in step.outputs.values() for output in outputs]
        if step.name == 'BaselineModel':
            baseline.extend(uris)
        if step.name in current:
            # An evaluation is made again without the model that it was a comparison with.
            done_before.add(
                step.name, current[step.name], uris + baseline if 'Evaluator' in step.name else uris
            )
        rows.append(
            (step.name, f'{step.seconds:.1f}', 'cached' if step.cached else 'run', figures.note(step))
        )

    try:
        with workspace(config.placement, files, paths) as (links, inside):
            prefix = inside.artifacts.removesuffix(ARTIFACTS)
            _tell_lost(shown, bring_in_line(paths.root, prefix, done_before))
            run(local_pipeline(config, links, inside), ALWAYS, SOURCES, began, ended)
    except ComponentError as error:
        seconds = time.monotonic() - begins[error.component]
        rows.append((error.component, f'{seconds:.1f}', 'failed', ''))
        raise
    finally:
        shown.doing(None)
        rows.append(('all', f'{time.monotonic() - started:.1f}', '', ''))
        _table(shown, rows)
    return figures


def _tell_lost(shown: Screen, lost: 'Sequence[Lost]') -> None:
    """Names the models that a run passes over; everything else is made again when it is needed."""
    for artifact in lost:
        if artifact.kind == 'Model':
            shown.line(f'passed over: the model {artifact.uri}, as its files are gone ({artifact.what})')
    if others := [artifact for artifact in lost if artifact.kind != 'Model']:
        more = f' and {len(others) - 1} more' if len(others) > 1 else ''
        shown.line(f'not used, as files are gone: {others[0].what}{more}')


def _table(shown: Screen, rows: Sequence[tuple[str, str, str, str]]) -> None:
    styles = {'cached': 'dim', 'failed': 'red'}
    shown.line()
    shown.table(('component', 'seconds', '', ''), [(styles.get(row[2], ''), row) for row in rows])
    shown.line()


def _tell(shown: Screen, figures: 'Figures', paths: RunPaths) -> None:
    if figures.accuracy is not None:
        shown.line(shown.bold(f'accuracy on {figures.rows or "the"} held-out rows  {figures.accuracy:6.1%}'))
    if figures.majority is not None and figures.linear is not None:
        shown.line(f'  of the majority class        {figures.majority:6.1%}')
        shown.line(f'  of a linear model (NB-SVM)   {figures.linear:6.1%}')
    if figures.calibration_error is not None and figures.brier is not None:
        shown.line(f'expected calibration error     {figures.calibration_error:6.1%}')
        shown.line(f'Brier score                    {figures.brier:7.3f}')
    if figures.language:
        _tell_language(shown, figures.language)
    if figures.version is None:
        shown.line(shown.red(f'not pushed: {figures.reason}'))
    else:
        state = 'pushed' if figures.pushed else 'was there already'
        shown.line(
            f'version {figures.version} {state}: {_relative(os.path.join(paths.root, figures.destination))}'
        )
    if figures.curves:
        curves = os.path.join(paths.root, figures.curves)
        shown.line(shown.dim(f'learning curves: tensorboard --logdir {shlex.quote(_relative(curves))}'))
    shown.line()


def _tell_language(shown: Screen, found: dict[str, Any]) -> None:
    rows = {
        f'bits a character on {found["characters"]:,} held-out characters': found['bits_per_character'],
        '  of the blessed model before': found['before'],
        '  of a compressor (xz)': found['compressor'],
        '  of the frequencies of characters': found['unigram'],
    }
    for number, (name, bits) in enumerate(rows.items()):
        if bits is not None:
            line = f'{name:52}{bits:7.3f}'
            shown.line(line if number else shown.bold(line))
    shares = ' '.join(f'{share:.0%}' for share in found['distinct'])
    shown.line(
        f'of what it writes, different words, pairs, triples: {shares}; copied at most «{found["copied"]}»'
    )
    shown.line(f'  {_begin(found["written"][0])}')


def _begin(text: str, length: int = 300) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= length else line[: length - 1] + '…'


def _shown(files: DataFiles) -> str:
    def shown(paths: Sequence[str]) -> str:
        return _relative(paths[0]) + (f' and {len(paths) - 1} more' if len(paths) > 1 else '')

    return shown(files.data) + (f', unlabelled {shown(files.unlabelled)}' if files.unlabelled else '')


def _relative(path: str) -> str:
    """The shorter of a path's two forms, in one line."""
    with contextlib.suppress(ValueError, OSError):
        path = min(os.path.relpath(path), path, key=len)
    return ''.join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in path)
