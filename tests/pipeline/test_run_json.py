"""`vaiven run --json`: one JSON object on standard output, whatever happens, and everything else on standard error."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vaiven.components.text_example_gen.summary import Summary
from vaiven.errors import UserError
from vaiven.label_spec import LabelSpec
from vaiven.pipeline import cli
from vaiven.pipeline.config import configure
from vaiven.pipeline.interruption import Terminated
from vaiven.pipeline.training_result import TrainingResult, error_json

RESULTS = {
    'version': 3, 'destination': 'serving/reviews/3', 'pushed': True, 'blessed': True, 'reason': '', 'seconds': 61.26,
    'accuracy': 0.75, 'calibration_error': 0.02, 'brier': None, 'majority': 0.5, 'linear': math.nan, 'language': None,
    'linear_macro_f1': None, 'measures': {'accuracy': 0.75, 'macro_f1': 0.7, 'ece': 0.02}, 'per_class': {},
    'confusion': [[3, 1], [0, 2]], 'examples': {'train': 80, 'test': 10}, 'behaviour': {'score': 0.9, 'tests': {}},
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / 'reseñas.csv'
    rows = (f'text number {number},{number % 2}' for number in range(100))
    path.write_text('\n'.join(['text,label', *rows]))
    return path


def test_a_result_has_the_labels_the_paths_and_the_metrics_that_were_measured() -> None:
    result = TrainingResult.from_run(configure(), '/runs', RESULTS)
    assert (result.label_kind, result.classes) == ('binary', ('negative', 'positive'))
    assert (result.model_path, result.seconds) == ('/runs/serving/reviews/3', 61.3)
    assert set(result.metrics) == {
        'accuracy', 'macro_f1', 'calibration_error', 'majority_accuracy', 'linear_accuracy', 'behaviour_score',
    }  # fmt: skip
    stars = configure(settings=['data.label_kind=ordinal', 'data.classes=1,2,3'])
    result = TrainingResult.from_run(stars, '/runs', RESULTS)
    assert (result.label_kind, result.classes) == ('ordinal', ('1', '2', '3'))
    language = {**RESULTS, 'language': {'bits_per_character': 2.5, 'copied': 'x'}, 'accuracy': None}
    result = TrainingResult.from_run(configure('novel'), '/runs', language)
    assert (result.label_kind, result.classes, result.metrics['bits_per_character']) == (None, (), 2.5)


def test_the_json_of_a_result_has_its_fields_and_is_valid_in_any_encoding() -> None:
    result = TrainingResult.from_run(configure(), '/año \udcff', {**RESULTS, 'version': None, 'reason': 'ñ'})
    line = result.to_json()
    assert line.isascii()
    values = json.loads(line, parse_constant=pytest.fail)
    assert list(values) == [field.name for field in dataclasses.fields(TrainingResult)]
    assert (values['root'], values['model_path'], values['reason']) == ('/año \udcff', None, 'ñ')
    assert (values['metrics']['accuracy'], values['metrics']['linear_accuracy']) == (0.75, None)


@pytest.mark.parametrize(
    ('error', 'message', 'status'),
    [
        (UserError('the rule'), 'the rule', 2),
        (ZeroDivisionError('x'), 'unexpected ZeroDivisionError: x', 1),
        (KeyboardInterrupt(), 'stopped', 130),
        (Terminated(), 'stopped', 143),
    ],
)
def test_the_json_of_an_error_has_its_message_and_the_exit_status(
    error: BaseException, message: str, status: int
) -> None:
    assert json.loads(error_json(error)) == {'error': message, 'exit_status': status}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--set', 'training.epoch=3'], "there is no setting 'training.epoch'; did you mean 'training.epochs'?"),
        (['--text-column', 'año'], "reseñas.csv: no column is named 'año'; there are: 'text', 'label'; "),
        (['--config', 'none.yaml'], "the settings in 'none.yaml' cannot be read (No such file or directory)"),
    ],
)  # fmt: skip
def test_an_error_before_the_run_is_on_both_streams(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    status = cli.run(['run', '--json', '--data', str(data), '--root', str(tmp_path / 'runs'), *arguments])
    assert status == 2
    printed = capfd.readouterr()
    values = json.loads(printed.out)
    assert values['error'].startswith(message)
    assert values['exit_status'] == 2
    assert printed.err == f'vaiven: {values["error"]}\n'


# The command with components of toys in place of the real graph, so that it takes seconds.
PROGRAM = """
import os, pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import vaiven.pipeline.graph as graph
from tests.pipeline import toy_components
from vaiven.pipeline import cli, main_job
root = pathlib.Path(sys.argv[1])
graph.local_pipeline = lambda config, files, paths: toy_components.toy_pipeline(pathlib.Path())
main_job.fingerprints = lambda config, files: {}
print('ready', file=sys.stderr, flush=True)
sys.argv = ['vaiven', 'run', '--json', '--no-serve', '--root', str(root), '--data', sys.argv[2]]
sys.exit(cli.main())
"""


def started(root: Path, data: Path, mode: str) -> 'subprocess.Popen[str]':
    root.mkdir()
    (root / 'mode').write_text(mode)
    return subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(root), str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.getcwd()},
    )


@pytest.mark.slow
def test_a_run_prints_its_result_alone_and_the_progress_on_standard_error(data: Path, tmp_path: Path) -> None:
    process = started(tmp_path / 'runs', data, 'work')
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1  # the toys push nothing
    assert output.count('\n') == 1
    values = json.loads(output)
    assert (values['name'], values['version'], values['root']) == ('reviews', None, str(tmp_path / 'runs'))
    assert values['seconds'] > 0
    progress = errors.partition('ready\n')[2]
    assert '100 rows: train' in progress
    assert '] Copy' in progress


@pytest.mark.slow
def test_a_run_that_fails_prints_its_error_as_json(data: Path, tmp_path: Path) -> None:
    process = started(tmp_path / 'runs', data, 'break')
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    values = json.loads(output)
    assert values['exit_status'] == 1
    assert values['error'].startswith('Copy')
    assert errors.endswith(f'vaiven: {values["error"]}\n')


@pytest.mark.slow
def test_a_run_that_is_stopped_prints_its_error_as_json(data: Path, tmp_path: Path) -> None:
    process = started(tmp_path / 'runs', data, 'wait')
    assert process.stderr is not None
    for line in process.stderr:
        if 'waiting for child' in line:
            break
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert json.loads(output) == {
        'error': 'stopped in Copy; the same command resumes there', 'exit_status': 143,
    }  # fmt: skip


@pytest.mark.slow
def test_a_row_with_several_labels_is_one_example(tmp_path: Path) -> None:
    from vaiven.pipeline.artifact_outputs import OutputArtifact
    from vaiven.pipeline.results import RunResults
    from vaiven.pipeline.runner import ComponentResult

    summary = Summary.of(LabelSpec('multilabel', ('a', 'b')))
    summary.rows, summary.splits['train'], summary.labelled_by_split['train'] = 4, {'a': 3, 'b': 3}, 4
    (tmp_path / 'ingest.json').write_text(summary.to_json())
    results = RunResults()
    examples = OutputArtifact(1, str(tmp_path), {})
    results.add(ComponentResult('TextExampleGen', 0.0, False, {'examples': [examples]}))
    assert results.examples['train'] == 4
