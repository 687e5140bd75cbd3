"""The main job as a user runs it: from a file to answers of a served model, again, after a kill, and after a move."""

import dataclasses
import json
import re
import shutil
import sqlite3

import pytest

from tests.e2e.corpus import write_csv
from tests.e2e.support import TINY, kill_when_it_says, run_arguments, tree, vaiven, wait_until_none_mentions
from vaiven.components.evaluation.figures import held_out_figures
from vaiven.pipeline import train
from vaiven.serving.client import Client, Vaiven
from vaiven.serving.evaluation.measures import ORDER
from vaiven.serving.server.server_process import ServerProcess

pytestmark = pytest.mark.slow

ALWAYS_RUN = {'BaselineModel', 'AtomicPusher'}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with brackets in its name, which `moved` moves; brackets must not become patterns of file names."""
    made = tmp_path_factory.mktemp('runs') / 'Proyecto [2026]'
    made.mkdir()
    return made


@pytest.fixture(scope='module')
def data(folder):
    return write_csv(folder / 'reseñas [1].csv')


@pytest.fixture(scope='module')
def root(folder):
    return folder / 'r[x]'


@pytest.fixture(scope='module')
def temporary(tmp_path_factory):
    return tmp_path_factory.mktemp('tmp')


@pytest.fixture(scope='module')
def first(data, root, temporary):
    """Killed while it trained, and run again."""
    printed = kill_when_it_says(run_arguments(data, root), 'epoch 1/')
    assert '] Trainer' in printed
    assert not (root / 'serving').exists()
    result = vaiven(*run_arguments(data, root), TMPDIR=str(temporary))
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def states(output: str) -> dict[str, str]:
    return dict(re.findall(r'^(\w+) +[\d.]+  (run|cached)', output, re.MULTILINE))


def test_after_a_kill_the_run_goes_on_with_the_component_that_was_cut_off(first, root):
    ran = {name for name, state in states(first.stdout).items() if state == 'run'}
    assert ran == {'Trainer', 'ServingCheck', 'Evaluator', *ALWAYS_RUN}
    with sqlite3.connect(root / 'metadata.sqlite') as database:
        [(running,)] = database.execute('SELECT COUNT(*) FROM Execution WHERE last_known_state IN (1, 2)')
    assert running == 0
    [model] = (root / 'artifacts' / 'Trainer' / 'model').iterdir()
    assert (model / 'Format-Serving' / 'saved_model.pb').exists()


def test_the_first_run_pushes_a_version_and_shows_its_accuracy_and_answers(first, root):
    assert 'version 1 pushed' in first.stdout
    assert re.search(r'accuracy on \d+ held-out rows +\d+\.\d%', first.stdout)
    assert re.search(r'of the majority class +\d+\.\d%', first.stdout)
    assert re.search(r'of a linear model \(NB-SVM\) +\d+\.\d%', first.stdout)
    assert 'over gRPC 127.0.0.1:' in first.stdout
    assert re.search(r'^  (positive|negative) +\d+\.\d% +\d+\.\d%  ', first.stdout, re.MULTILINE)
    assert 'next words' in first.stdout
    assert first.stderr == ''
    assert sorted(path.name for path in (root / 'serving' / 'tiny').iterdir() if path.name[0] != '.') == ['1']


def test_a_run_leaves_no_process_behind(first, root):
    assert wait_until_none_mentions(str(root)) == []


def test_the_pushed_model_says_how_it_was_made_and_answers_in_both_languages(first, root):
    version = root / 'serving' / 'tiny' / '1'
    made = json.loads((version / 'assets.extra' / 'vaiven.json').read_text())
    assert made['network']['units'] == 8
    with ServerProcess('tiny', version.parent) as server:
        client = Client(server.grpc_address)
        texts = ['the film is wonderful', 'the film is tedious', 'la película es preciosa', '', '👍']
        answers = client.predict('tiny', {'text': texts})
    assert answers['probability'].shape == (5,)
    assert answers['probability'][0] > answers['probability'][1]


def test_a_second_run_with_nothing_changed_comes_from_the_cache_and_pushes_nothing(first, data, root):
    before = tree(root / 'serving')
    result = vaiven(*run_arguments(data, root), '--no-serve')
    assert result.returncode == 0, result.stdout + result.stderr
    ran = {name for name, state in states(result.stdout).items() if state == 'run'}
    assert ran == ALWAYS_RUN
    assert tree(root / 'serving') == before
    assert 'version 1 was pushed before' in result.stdout
    plan = vaiven(*['plan' if word == 'run' else word for word in run_arguments(data, root)])
    assert plan.returncode == 0
    assert re.findall(r' (run|cached)  ', plan.stdout) == ['cached'] * 10


def test_the_python_api_gives_the_results_of_the_same_run(first, data, root):
    settings = dict(setting.split('=') for setting in TINY)
    result = train(data, root=root, name='tiny', settings=settings)
    assert (result.name, result.root, result.version) == ('tiny', str(root), 1)
    assert result.model_path == str(root / 'serving' / 'tiny' / '1')
    assert (result.blessed, result.pushed, result.reason) == (True, False, '')
    accuracy = re.search(r'accuracy on (\d+) held-out rows +(\d+\.\d)%', first.stdout)
    assert accuracy is not None
    assert f'{result.metrics["accuracy"]:.1%}' == f'{accuracy[2]}%'
    assert result.examples['test'] == int(accuracy[1])
    with Client(f'saved-model:{result.model_path}') as client:
        [sentiment] = Vaiven(client, result.name).sentiment(['the film is wonderful'])
    assert sentiment.label == 'positive'
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.version = 2


def test_json_is_the_same_result_and_the_only_line_of_the_output(first, data, root):
    result = vaiven(*run_arguments(data, root), '--json')
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('\n') == 1
    values = json.loads(result.stdout)
    settings = dict(setting.split('=') for setting in TINY)
    expected = dataclasses.asdict(train(data, root=root, name='tiny', settings=settings))
    assert values.pop('seconds') > 0
    del expected['seconds']
    assert values == {**expected, 'classes': ['negative', 'positive']}
    assert (values['label_kind'], values['version'], values['pushed']) == ('binary', 1, False)
    assert 'version 1 was pushed before' in result.stderr
    assert 'over gRPC 127.0.0.1:' in result.stderr


def test_an_evaluation_of_the_exported_split_gives_the_figures_of_the_run(first, root, tmp_path):
    [evaluation] = (root / 'artifacts' / 'Evaluator' / 'evaluation').iterdir()
    # TensorFlow Model Analysis takes the brackets in the path as a pattern.
    (tmp_path / 'evaluation').symlink_to(evaluation)
    run = held_out_figures(str(tmp_path / 'evaluation'))
    file = tmp_path / 'held-out.csv'
    assert vaiven('export', '--root', root, '--split', 'test', file).returncode == 0
    server = f'saved-model:{root / "serving" / "tiny" / "1"}'
    result = vaiven('evaluate', '--data', file, '--server', server, '--json')
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert f'accuracy on {answer["rows"]} held-out rows' in first.stdout
    assert answer['confusion'] == run['confusion'].tolist()
    # The Evaluator may take the texts in other batches, and then a network adds up in another order.
    assert {name: measure['value'] for name, measure in answer['measures'].items()} == pytest.approx(
        {name: run[name] for name in ORDER if name in run}, abs=1e-4
    )


def test_a_serving_folder_that_was_lost_is_filled_again_from_the_cache(first, data, root):
    shutil.rmtree(root / 'serving')
    result = vaiven(*run_arguments(data, root), '--no-serve')
    assert result.returncode == 0, result.stdout + result.stderr
    assert (root / 'serving' / 'tiny' / '1' / 'saved_model.pb').exists()


def test_a_model_below_the_bound_is_not_pushed_and_the_command_says_why(first, data, root):
    before = tree(root / 'serving')
    result = vaiven(*run_arguments(data, root, 'evaluation.min_accuracy=1.0'))
    assert result.returncode == 1
    assert states(result.stdout)['Trainer'] == 'cached'
    assert 'not pushed: the evaluation did not bless the model' in result.stdout
    assert 'Traceback' not in result.stdout + result.stderr
    assert tree(root / 'serving') == before


def test_a_serving_folder_that_cannot_be_written_fails_the_pusher_alone(first, data, root):
    shutil.rmtree(root / 'serving')
    (root / 'serving').write_text('in the way')
    try:
        result = vaiven(*run_arguments(data, root), '--no-serve')
    finally:
        (root / 'serving').unlink()
    assert result.returncode == 1
    assert re.fullmatch(r'vaiven: AtomicPusher failed: .*log is .*\.log\n', result.stderr)


def ran(output: str) -> set[str]:
    return set(re.findall(r'^(\w+) +[\d.]+  run', output, re.MULTILINE))


def planned(output: str) -> set[str]:
    return set(re.findall(r'^ *\d+  (\w+) +(?:run|always)  ', output, re.MULTILINE))


def test_a_run_below_brackets_learns_and_leaves_no_temporary_file(first, temporary):
    assert re.search(r'^Vocabulary .* \d\d tokens', first.stdout, re.MULTILINE)
    assert 'version 1 pushed' in first.stdout
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope='module')
def moved(first, folder, data, root):
    """The run's arguments after its folder was moved; tests with `first` come before."""
    result = vaiven(*run_arguments(data, root), '--no-serve')
    assert result.returncode == 0, result.stdout + result.stderr
    after = folder.with_name("mudado {SPAN} ?*'")
    folder.rename(after)
    return run_arguments(after / data.name, after / root.name)


def test_after_a_move_plan_and_run_agree_that_all_is_cached(moved):
    plan = vaiven('plan', *moved[1:])
    assert planned(plan.stdout) == ALWAYS_RUN
    again = vaiven(*moved, '--no-serve')
    assert again.returncode == 0, again.stdout + again.stderr
    assert ran(again.stdout) == ALWAYS_RUN
    assert 'version 1 was pushed before' in again.stdout


def test_a_model_that_was_deleted_is_passed_over_and_made_again(moved):
    root = moved[moved.index('--root') + 1]
    shutil.rmtree(f'{root}/artifacts/Trainer')
    plan = vaiven('plan', *moved[1:])
    again = vaiven(*moved, '--no-serve')
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
