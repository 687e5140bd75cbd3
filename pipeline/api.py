"""The Python API for training: `train` does what `vaiven run` does."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vaiven.components.text_example_gen import default_data
from vaiven.configuration import to_json
from vaiven.errors import UserError
from vaiven.pipeline.cli import QUIET_ENVIRONMENT
from vaiven.pipeline.config import configure
from vaiven.pipeline.input_data import find_data
from vaiven.pipeline.paths import RunPaths
from vaiven.pipeline.teacher_option import read_teachers
from vaiven.pipeline.training_result import TrainingResult

StrPath = str | os.PathLike[str]


class TrainingError(UserError):
    """A run failed. The message is the one that `vaiven run` prints."""

    exit_status = 1


def train(
    data: StrPath | Iterable[StrPath] = (),
    *,
    unlabelled: StrPath | Iterable[StrPath] = (),
    teacher: StrPath | Iterable[StrPath] = (),
    vectors: StrPath | None = None,
    root: StrPath | None = None,
    config: StrPath | None = None,
    preset: str | None = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Trains a model, evaluates it, and pushes it as the next version if it is blessed.

    The pipeline runs in a separate process, so it changes neither the working directory nor the streams of the
    caller, and gives back its memory. Results of earlier and interrupted runs are taken from the cache. A
    KeyboardInterrupt stops the run; the same call resumes it.

    Args:
        data: labelled rows or unlabelled text: files, folders or patterns as for `vaiven run --data`. Without data, the
            model is trained on English film reviews.
        unlabelled: more text for the language model, as for `vaiven run --unlabelled`.
        teacher: texts with the probabilities of another model, or the name of an encoder, as for
            `vaiven run --teacher`.
        vectors: file or folder of pre-trained vectors of words, as for `vaiven run --vectors`.
        root: folder of the runs; by default `vaiven-runs/NAME`.
        config: YAML file with settings, as for `vaiven run --config`.
        preset: name of the preset with the default settings, as `reviews` or `novel`; by default that of the file, or
            `reviews`.
        name: name of the model; by default that of the file, or of the preset.
        settings: value by name of each setting to change, as `{'training.epochs': 1}`; they win over the file.
        progress: whether to print the progress of the run.

    Returns:
        The result. A model that is not blessed is not an error: its `version` is None, and `reason` says why.

    Raises:
        UserError: a file, a setting or the folder of the runs is not valid. Its message is one line.
        TrainingError: the run failed.

    Example:

        from vaiven.pipeline import train

        result = train(data='reviews.csv', root='runs', settings={'training.epochs': 1})
        print(result.version, result.metrics['accuracy'])
    """
    data, unlabelled = _paths(data), _paths(unlabelled)
    changes = [f'{path}={_setting_text(value)}' for path, value in (settings or {}).items()]
    defaults = () if data else default_data.SETTINGS
    teachers = read_teachers(_paths(teacher))
    run_config = configure(preset, [*changes, *teachers.settings], name, file=config, defaults=defaults)
    paths = RunPaths.at(None if root is None else os.fspath(root), run_config.name)
    run_config, files, notes = find_data(
        data,
        unlabelled,
        run_config,
        teachers.files,
        None if vectors is None else os.fspath(vectors),
    )
    if progress:
        print('\n'.join(notes), flush=True)
    request = {
        'config': to_json(run_config),
        'data': files.data,
        'unlabelled': files.unlabelled,
        'teacher': files.teacher,
        'vectors': files.vectors,
        'root': paths.root,
    }
    results = _run_process(json.dumps(request), progress)
    return TrainingResult.from_run(run_config, paths.root, results)


def _paths(paths: StrPath | Iterable[StrPath]) -> list[str]:
    if isinstance(paths, (str, os.PathLike)):
        return [os.fspath(paths)]
    return [os.fspath(path) for path in paths]


def _setting_text(value: Any) -> str:
    """A value in the form of `--set`."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and not any(isinstance(item, str) for item in value):
        # Without brackets, numbers are converted to the type of the setting: labels are texts.
        return ','.join(json.dumps(item) for item in value)
    return json.dumps(value)


def _run_process(request: str, progress: bool) -> dict[str, Any]:
    """Runs the pipeline in a child process.

    Args:
        request: the input of `vaiven.pipeline.training_process`.
        progress: whether to print its output.

    Returns:
        The values of `RunResults`.

    Raises:
        TrainingError: the run failed, or the process ended unexpectedly.
    """
    with tempfile.TemporaryDirectory(prefix='vaiven-train-') as folder:
        result_path, error_path = Path(folder, 'result.json'), Path(folder, 'stderr')
        with (
            error_path.open('wb') as errors,
            subprocess.Popen(
                [sys.executable, '-m', 'vaiven.pipeline.training_process', str(result_path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if progress else subprocess.DEVNULL,
                stderr=errors,
                text=True,
                env={**QUIET_ENVIRONMENT, **os.environ},
            ) as process,
        ):
            try:
                assert process.stdin is not None
                # The pipe stays open: the child stops at its end, also if this process is killed.
                with contextlib.suppress(BrokenPipeError):  # the exit status says why the child ended
                    os.write(process.stdin.fileno(), f'{request}\n'.encode())
                # Printed through `sys.stdout`, which a notebook shows.
                for line in process.stdout or ():
                    print(line, end='', flush=True)
                status = process.wait()
            except BaseException:
                # Popen waits for the process, which cleans up after SIGTERM.
                process.terminate()
                raise
        if not result_path.exists():
            lines = error_path.read_text('utf-8', 'replace').strip().splitlines()
            reason = f': {lines[-1]}' if lines else ''
            raise TrainingError(f'the training process ended with exit status {status}{reason}')
        answer: dict[str, Any] = json.loads(result_path.read_text('utf-8'))
    if 'error' in answer:
        error = TrainingError(answer['error'])
        error.exit_status = answer['exit_status']
        raise error
    return answer
