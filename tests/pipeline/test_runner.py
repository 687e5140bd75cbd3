import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ml_metadata.proto.metadata_store_pb2 import Execution
from tfx.orchestration import metadata
from tfx.types import standard_artifacts

from tests.pipeline.toy_components import toy_pipeline
from vaiven.pipeline.baseline import LatestBlessedOtherStrategy
from vaiven.pipeline.code_digest import digest
from vaiven.pipeline.runner import ComponentError, ComponentResult, run

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'mode').write_text('work')
    return tmp_path


def run_toy(root: Path, always: tuple[str, ...] = (), text: str = 'hello') -> list[ComponentResult]:
    return run(toy_pipeline(root, text), always, {}, lambda name, number, count: None, lambda step: None)


def cached(steps: list[ComponentResult]) -> dict[str, bool]:
    return {step.name: step.cached for step in steps}


def executions(root: Path) -> list[Execution]:
    config = metadata.sqlite_metadata_connection_config(str(root / 'metadata.sqlite'))
    with metadata.Metadata(config) as handle:
        return handle.store.get_executions()


def test_callbacks_get_the_start_and_the_result_of_each_component(root):
    calls = []
    steps = run(
        toy_pipeline(root),
        (),
        {},
        lambda name, number, count: calls.append((name, number, count)),
        lambda step: calls.append(step.name),
    )
    assert calls == [('Write', 1, 2), 'Write', ('Copy', 2, 2), 'Copy']
    [output] = steps[0].outputs['model']
    assert output.properties['text'] == 'hello'
    assert Path(steps[1].outputs['copy'][0].uri, 'text').read_text() == 'hello'


def test_a_second_run_with_nothing_changed_comes_from_the_cache(root):
    first, second = run_toy(root), run_toy(root)
    assert cached(first) == {'Write': False, 'Copy': False}
    assert cached(second) == {'Write': True, 'Copy': True}
    assert second[1].outputs == first[1].outputs


def test_a_component_that_must_always_run_is_not_taken_from_the_cache(root):
    run_toy(root)
    assert cached(run_toy(root, always=('Copy',))) == {'Write': True, 'Copy': False}


def test_a_changed_parameter_runs_all_that_follows_it(root):
    run_toy(root)
    assert cached(run_toy(root, text='other')) == {'Write': False, 'Copy': False}


def test_a_deleted_artifact_is_made_again(root):
    steps = run_toy(root)
    shutil.rmtree(steps[0].outputs['model'][0].uri)
    assert not cached(run_toy(root))['Write']


def test_a_failure_names_the_component_and_the_cause_and_keeps_completed_results(root):
    (root / 'mode').write_text('break')
    with pytest.raises(ComponentError, match=r"^Copy failed: ValueError: invalid literal .*'x'$") as raised:
        run_toy(root)
    assert raised.value.exit_status == 1
    (root / 'mode').write_text('work')
    assert cached(run_toy(root)) == {'Write': True, 'Copy': False}


def test_a_fault_of_the_user_inside_a_component_keeps_its_words_and_exit_status(root):
    (root / 'mode').write_text('refuse')
    with pytest.raises(ComponentError, match=r'^Copy failed: text must be longer') as raised:
        run_toy(root)
    assert raised.value.exit_status == 2


def test_a_killed_run_resumes_and_leaves_no_incomplete_outputs(root):
    (root / 'mode').write_text('die')
    program = (
        'import pathlib, sys; from tests.pipeline import test_runner; '
        'test_runner.run_toy(pathlib.Path(sys.argv[1]))'
    )
    assert subprocess.run([sys.executable, '-c', program, root], stderr=subprocess.DEVNULL).returncode == -9
    half_written = [path for path in (root / 'artifacts' / 'Copy' / 'copy').iterdir() if any(path.iterdir())]
    assert half_written
    (root / 'mode').write_text('work')
    assert cached(run_toy(root)) == {'Write': True, 'Copy': False}
    assert not half_written[0].exists()
    states = {execution.last_known_state for execution in executions(root)}
    assert states == {Execution.COMPLETE, Execution.CACHED, Execution.FAILED}


def test_the_digest_of_code_follows_content_and_names_only(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'one.py').write_text('1')
    before = digest(('a',), tmp_path)
    digest.cache_clear()
    (tmp_path / 'a' / 'one.pyc').write_text('other')
    assert digest(('a',), tmp_path) == before
    digest.cache_clear()
    (tmp_path / 'a' / 'one.py').write_text('2')
    assert digest(('a',), tmp_path) != before
    digest.cache_clear()


def _model(number: int) -> standard_artifacts.Model:
    model = standard_artifacts.Model()
    model.id = number
    return model


def _blessing(number: int, model: int, blessed: int) -> standard_artifacts.ModelBlessing:
    blessing = standard_artifacts.ModelBlessing()
    blessing.id = number
    blessing.set_int_custom_property('current_model_id', model)
    blessing.set_int_custom_property('blessed', blessed)
    return blessing


@pytest.mark.parametrize(
    ('blessings', 'candidate', 'expected'),
    [
        ([], 3, []),
        ([(1, 1), (2, 1)], 3, [2]),
        ([(1, 1), (2, 0)], 3, [1]),
        ([(1, 1), (3, 1)], 3, [1]),
        ([(3, 1)], 3, []),
        ([(1, 1), (2, 1), (2, 0)], 3, [1]),
    ],
)
def test_the_baseline_is_the_latest_blessed_model_but_never_the_candidate(blessings, candidate, expected):
    resolved = LatestBlessedOtherStrategy().resolve_artifacts(
        None,
        {
            'model': [_model(number) for number in (1, 2, 3)],
            'model_blessing': [_blessing(10 + i, *values) for i, values in enumerate(blessings)],
            'candidate': [_model(candidate)],
        },
    )
    assert [model.id for model in resolved['model']] == expected
    assert len(resolved['model_blessing']) == len(expected)
