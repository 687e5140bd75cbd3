"""One run below a folder with brackets in its name, which is then moved, thinned out and pruned."""

import re
import shutil

import pytest

from tests.e2e.corpus import write_csv
from tests.e2e.support import run_arguments, vaiven

pytestmark = pytest.mark.slow

ALWAYS_RUN = {'BaselineModel', 'AtomicPusher'}


def words(arguments: list[str], command: str = 'run') -> list[str]:
    return [command, *arguments[1:], '--set', 'training.epochs=2', '--set', 'evaluation.min_accuracy=0']


def ran(output: str) -> set[str]:
    return set(re.findall(r'^(\w+) +[\d.]+  run', output, re.MULTILINE))


def planned(output: str) -> set[str]:
    return set(re.findall(r'^ *\d+  (\w+) +(?:run|always)  ', output, re.MULTILINE))


@pytest.fixture(scope='module')
def moved(tmp_path_factory):
    """(Arguments after the move, folder for temporary files, output of the first run.)"""
    folder = tmp_path_factory.mktemp('runs')
    temporary, before, after = folder / 'tmp', folder / 'Proyecto [2026]', folder / "mudado {SPAN} ?*'"
    for path in (temporary, before):
        path.mkdir()
    data = write_csv(before / 'reseñas [1].csv')
    first = vaiven(*words(run_arguments(data, before / 'r[x]')), '--no-serve', TMPDIR=str(temporary))
    assert first.returncode == 0, first.stdout + first.stderr
    shutil.move(before, after)
    return run_arguments(after / data.name, after / 'r[x]'), temporary, first.stdout


def test_a_run_below_brackets_learns_and_leaves_no_temporary_file(moved):
    _, temporary, output = moved
    assert re.search(r'^Vocabulary .* \d\d tokens', output, re.MULTILINE)
    assert 'version 1 pushed' in output
    assert list(temporary.iterdir()) == []


def test_after_a_move_plan_and_run_agree_that_all_is_cached(moved):
    arguments, temporary, _ = moved
    plan = vaiven(*words(arguments, 'plan'))
    assert planned(plan.stdout) == ALWAYS_RUN
    again = vaiven(*words(arguments), '--no-serve', TMPDIR=str(temporary))
    assert again.returncode == 0, again.stdout + again.stderr
    assert ran(again.stdout) == ALWAYS_RUN
    assert 'version 1 was pushed before' in again.stdout


def test_a_model_that_was_deleted_is_passed_over_and_made_again(moved):
    arguments, temporary, _ = moved
    root = arguments[arguments.index('--root') + 1]
    shutil.rmtree(f'{root}/artifacts/Trainer')
    plan = vaiven(*words(arguments, 'plan'))
    again = vaiven(*words(arguments), '--no-serve', TMPDIR=str(temporary))
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(
        r'ignored: the model artifacts/Trainer/model/\d+, because files are missing', again.stdout
    )
    assert ran(again.stdout) == planned(plan.stdout) == {'Trainer', 'ServingCheck', 'Evaluator', *ALWAYS_RUN}
    assert re.search(r'version \d (pushed|was pushed before)', again.stdout)
    pruned = vaiven('prune', '--root', root, '--dry-run')
    assert re.search(r'^\d+ artifacts would be removed, [\d.]+ MB$', pruned.stdout, re.MULTILINE), (
        pruned.stderr
    )
