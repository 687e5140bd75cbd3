"""What stands between a trained model and the servers: evaluation, baseline, push; and the types for Kubeflow."""

import json
import re
import subprocess
import sys

import keras
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from executor_runs import artifact, channel, run, write_examples
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.types import standard_artifacts
from tfx.utils import import_utils

from vaiven.components import kubeflow_entry
from vaiven.components.evaluation.behaviour.cases import Case
from vaiven.components.evaluation.behaviour.selection import BehaviourTests
from vaiven.components.evaluation.component import PairedEvaluator
from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.evaluation.evaluation import eval_config
from vaiven.components.linear_baseline.artifact import LinearBaselineArtifact
from vaiven.components.linear_baseline.component import LinearBaseline
from vaiven.components.pusher.component import AtomicPusher
from vaiven.components.vocabulary.artifact import VocabularyArtifact
from vaiven.configuration import ConfigError
from vaiven.errors import UserError

pytestmark = pytest.mark.slow


def save_model(folder, pattern):
    """A SavedModel that finds a text positive where it has the pattern."""

    def sentiment(text):
        probability = 0.1 + 0.8 * tf.cast(tf.strings.regex_full_match(text, f'.*({pattern}).*'), tf.float32)
        return {
            'probability': probability,
            'label': tf.where(probability > 0.5, 'positive', 'negative'),
        }

    archive = keras.export.ExportArchive()
    archive.track(tf.Variable(1.0))
    archive.add_endpoint('serving_default', sentiment, [tf.TensorSpec([None], tf.string, name='text')])
    archive.write_out(str(folder), verbose=False)


@pytest.fixture(scope='module')
def examples(tmp_path_factory):
    """40 rows to learn from; 20 held-out rows, of which `bonita` tells 20 and `é` 15 right."""
    train = [{'text': f'película bonita {n}', 'label': 1} for n in range(20)]
    train += [{'text': f'película mala {n}', 'label': 0} for n in range(20)]
    test = [{'text': 'é bonita ' + '👍' * n, 'label': 1, 'language': 'es'} for n in range(5)]
    test += [{'text': f'bonita {n}', 'label': 1, 'language': 'en'} for n in range(5)]
    test += [{'text': f'mala {n}', 'label': 0} for n in range(10)]
    folder = tmp_path_factory.mktemp('examples')
    return write_examples(folder, {'train': train, 'eval': test[:2], 'test': test, 'unlabelled': []})


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models')
    made = {}
    for number, (name, pattern) in enumerate({'good': 'bonita', 'worse': 'é'}.items(), start=1):
        save_model(folder / name / 'Format-Serving', pattern)
        made[name] = artifact(standard_artifacts.Model, folder / name)
        made[name].id = number
    return made


def evaluate(examples, folder, config, model, baseline=None):
    """(metrics of all rows, metrics of each slice, blessed or not)."""
    model_channel = channel(standard_artifacts.Model)
    evaluator = PairedEvaluator(
        examples=channel(standard_artifacts.Examples),
        model=model_channel,
        baseline_model=channel(standard_artifacts.Model) if baseline else None,
        eval_config=eval_config(config),
        example_splits=['test'],
    )
    given = {'examples': examples, 'model': model} | ({'baseline_model': baseline} if baseline else {})
    made = run(evaluator, folder, given)
    result = tfma.load_eval_result(made['evaluation'].uri)
    slices = {
        key: {name: value['doubleValue'] for name, value in metrics[''][''].items() if 'doubleValue' in value}
        for key, metrics in result.slicing_metrics
    }
    return slices, bool(made['blessing'].get_int_custom_property('blessed'))


def test_the_served_signature_is_measured_on_held_out_text(examples, models, tmp_path):
    slices, blessed = evaluate(
        examples, tmp_path, EvaluationConfig(min_accuracy=0.9, by_language=True), models['good']
    )
    assert blessed
    assert slices[()]['binary_accuracy'] == 1.0
    assert slices[()]['auc'] == pytest.approx(1.0)
    assert slices[()]['example_count'] == 20
    assert slices[(('language', 'es'),)]['example_count'] == 5


def test_a_model_below_the_bound_is_not_blessed(examples, models, tmp_path):
    slices, blessed = evaluate(examples, tmp_path, EvaluationConfig(min_accuracy=0.9), models['worse'])
    assert slices[()]['binary_accuracy'] == pytest.approx(0.75)
    assert not blessed
    # It says 0.9 to 5 rows, all positive, and 0.1 to 15, of which 5 are.
    assert slices[()]['mean_squared_error'] == pytest.approx((15 * 0.01 + 5 * 0.81) / 20)
    gaps = 5 * 0.1 + 15 * (5 / 15 - 0.1)
    assert slices[()]['ece'] == pytest.approx(gaps / 20)


@pytest.mark.parametrize(('drop', 'expected'), [(0.01, False), (0.3, True)])
def test_a_model_worse_than_the_blessed_one_is_blessed_within_the_bound_only(
    examples, models, tmp_path, drop, expected
):
    config = EvaluationConfig(min_accuracy=0.5, max_accuracy_drop=drop)
    assert evaluate(examples, tmp_path, config, models['worse'], models['good'])[1] is expected


def test_a_model_as_good_as_the_blessed_one_is_blessed_where_no_drop_is_allowed(examples, models, tmp_path):
    config = EvaluationConfig(min_accuracy=0.5, max_accuracy_drop=0.0)
    assert evaluate(examples, tmp_path, config, models['good'], models['good'])[1]


def test_a_drop_that_chance_explains_is_blessed_and_a_proven_one_is_refused_with_its_numbers(
    examples, models, tmp_path
):
    """Two of twenty rows fewer are ten points, ten times what is allowed, and prove nothing."""
    save_model(tmp_path / 'almost' / 'Format-Serving', 'é|bonita [0-2]')
    almost = artifact(standard_artifacts.Model, tmp_path / 'almost')
    config = EvaluationConfig(min_accuracy=0.5, max_accuracy_drop=0.01)
    slices, blessed = evaluate(examples, tmp_path / '1', config, almost, models['good'])
    assert (slices[()]['binary_accuracy'], blessed) == (pytest.approx(0.9), True)
    assert (tmp_path / '1' / 'blessing' / 'BLESSED').exists()
    assert not evaluate(examples, tmp_path / '2', config, models['worse'], models['good'])[1]
    assert [path.name for path in (tmp_path / '2' / 'blessing').iterdir()] == ['NOT_BLESSED']
    pairs = json.loads((tmp_path / '2' / 'evaluation' / 'pairs.json').read_text())
    assert {name: pairs[name] for name in ('rows', 'both', 'only_before', 'only_now')} == {
        'rows': 20,
        'both': 15,
        'only_before': 5,
        'only_now': 0,
    }


def test_the_reason_of_a_refusal_has_the_numbers_and_the_setting(examples, models, tmp_path):
    for number, (bounds, words) in enumerate(
        (
            (
                {'min_accuracy': 0.5, 'max_accuracy_drop': 0.01},
                'accuracy 75.0% against 100.0% .* 20 held-out rows',
            ),
            (
                {'min_accuracy': 0.5, 'max_accuracy_drop': 0.01},
                '5 rows only that model predicts correctly, 0 only this one',
            ),
            (
                {'min_accuracy': 0.5, 'max_accuracy_drop': 0.01},
                'at least 2.5 points .*max_accuracy_drop=0.01 allows 1$',
            ),
            (
                {'min_accuracy': 0.8},
                '^accuracy 75.0% on 20 held-out rows is below evaluation.min_accuracy=0.8$',
            ),
        )
    ):
        if number in (0, 3):
            evaluator = PairedEvaluator(
                examples=channel(standard_artifacts.Examples),
                model=channel(standard_artifacts.Model),
                baseline_model=channel(standard_artifacts.Model),
                eval_config=eval_config(EvaluationConfig(**bounds)),
                example_splits=['test'],
            )
            given = {'examples': examples, 'model': models['worse'], 'baseline_model': models['good']}
            made = run(evaluator, tmp_path / str(number), given)
        assert re.search(words, made['blessing'].get_string_custom_property('reason'))


@pytest.mark.parametrize('values', [{'min_accuracy': 1.1}, {'max_accuracy_drop': -0.1}])
def test_bounds_that_make_no_sense_are_refused(values):
    with pytest.raises(ConfigError, match='between 0 and 1'):
        EvaluationConfig(**values)


def test_the_baseline_learns_from_train_and_is_measured_on_test(examples, tmp_path):
    component = LinearBaseline(channel(standard_artifacts.Examples))
    made = run(component, tmp_path, {'examples': examples})['baseline']
    with open(f'{made.uri}/baseline.json') as file:
        result = json.load(file)
    assert result['majority'] == 0.5
    assert result['nb_svm'] == 1.0
    assert result['rows'] == 20


def blessing(kind, folder, blessed):
    return artifact(kind, folder, blessed=int(blessed))


def push(folder, serving, model, evaluated=True, served=True):
    component = AtomicPusher(
        channel(standard_artifacts.Model),
        str(serving),
        channel(standard_artifacts.ModelBlessing),
        channel(standard_artifacts.InfraBlessing),
    )
    given = {
        'model': model,
        'model_blessing': blessing(standard_artifacts.ModelBlessing, folder / 'b1', evaluated),
        'infra_blessing': blessing(standard_artifacts.InfraBlessing, folder / 'b2', served),
    }
    return run(component, folder, given)['pushed_model']


def test_a_model_that_both_have_blessed_is_pushed_once(models, tmp_path):
    serving = tmp_path / 'serving' / 'reviews'
    first = push(tmp_path / '1', serving, models['good'])
    again = push(tmp_path / '2', serving, models['good'])
    assert (serving / '1' / 'saved_model.pb').is_file()
    assert first.get_string_custom_property('pushed_destination') == str(serving / '1')
    assert [made.get_string_custom_property('pushed_version') for made in (first, again)] == ['1', '1']
    assert [made.get_int_custom_property('pushed') for made in (first, again)] == [1, 0]
    assert tf.saved_model.load(str(serving / '1')).signatures['serving_default'](text=tf.constant(['']))


@pytest.mark.parametrize(
    ('evaluated', 'served', 'reason'), [(False, True, 'evaluation'), (True, False, 'serving check')]
)
def test_a_model_that_one_has_not_blessed_is_not_pushed(models, tmp_path, evaluated, served, reason):
    made = push(tmp_path, tmp_path / 'serving', models['good'], evaluated, served)
    assert made.get_int_custom_property('pushed') == 0
    assert reason in made.get_string_custom_property('reason')
    assert not (tmp_path / 'serving').exists()


def test_a_store_that_cannot_rename_is_refused(models, tmp_path):
    with pytest.raises(UserError, match='mounted disk'):
        push(tmp_path, 'gs://bucket/serving', models['good'])


@pytest.mark.parametrize('kind', [VocabularyArtifact, LinearBaselineArtifact])
def test_a_kubeflow_step_finds_the_class_of_an_artifact_by_its_types_name(kind):
    schema = compiler_utils.get_artifact_schema(kind)
    assert f'title: {kind.TYPE_NAME}' in schema
    kubeflow_entry.register_artifact_types()
    path = compiler_utils.TITLE_TO_CLASS_PATH[kind.TYPE_NAME]
    assert import_utils.import_class_by_path(path) is kind


@pytest.mark.slow
def test_a_kubeflow_step_runs_a_component_with_an_artifact_type_of_the_project(examples, tmp_path):
    def artifacts(title, uri, properties):
        return {
            'artifacts': [{'name': 'a', 'type': {'schemaTitle': title}, 'uri': uri, 'properties': properties}]
        }

    split_names = {'split_names': {'stringValue': examples.split_names}}
    (tmp_path / 'baseline').mkdir()
    invocation = {
        'inputs': {'artifacts': {'examples': artifacts('tfx.Examples', examples.uri, split_names)}},
        'outputs': {
            'artifacts': {'baseline': artifacts('vaiven.LinearBaseline', str(tmp_path / 'baseline'), {})},
            'outputFile': str(tmp_path / 'task' / 'executor_output.json'),
        },
    }
    command = [sys.executable, '-m', 'vaiven.components.kubeflow_entry']
    command += ['--executor_class_path', 'vaiven.components.linear_baseline.executor.Executor']
    command += ['--json_serialized_invocation_args', json.dumps(invocation)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / 'baseline' / 'baseline.json').read_text())['rows'] == 20
    output = json.loads((tmp_path / 'task' / 'executor_output.json').read_text())
    assert output['artifacts']['baseline']['artifacts'][0]['uri'] == str(tmp_path / 'baseline')


def behaviour(examples, folder, model, **tests):
    """(the behavioural tests by name, the reason why the model is not blessed)"""
    own = (Case('own', 'una película bonita', 'positive'), Case('own', 'película mala', 'positive'))
    evaluator = PairedEvaluator(
        examples=channel(standard_artifacts.Examples),
        model=channel(standard_artifacts.Model),
        eval_config=eval_config(EvaluationConfig()),
        example_splits=['test'],
        behaviour=BehaviourTests(**{'which': 'all', 'own': own, **tests}),
    )
    made = run(evaluator, folder, {'examples': examples, 'model': model})
    results = json.loads((folder / 'evaluation' / 'behaviour.json').read_text(encoding='utf-8'))
    return {one['test']: one for one in results['tests']}, made['blessing'].get_string_custom_property(
        'reason'
    )


def test_behavioural_tests_run_on_the_model_and_block_only_below_a_bound(examples, models, tmp_path):
    tests, reason = behaviour(examples, tmp_path / '1', models['good'])
    assert reason == ''
    assert (tests['own']['passed'], tests['own']['total']) == (1, 2)
    assert tests['own']['failures'][0]['text'] == 'película mala'
    # `bonita` in capitals is another word to this model: ten of twenty rows change.
    assert (tests['case']['passed'], tests['case']['total']) == (10, 20)
    assert tests['case']['mean_change'] == pytest.approx(0.4)
    tests, reason = behaviour(examples, tmp_path / '2', models['good'], which='own', min_score=0.75)
    assert list(tests) == ['own']
    assert reason == (
        'behavioural tests: 50.0% passed, mean of 1 tests, is below evaluation.min_behaviour=0.75; the worst is own: '
        '1 of 2'
    )
    assert (tmp_path / '2' / 'blessing' / 'NOT_BLESSED').exists()
    assert not (tmp_path / '2' / 'blessing' / 'BLESSED').exists()


def test_behaviour_is_measured_of_a_model_that_is_refused_for_its_accuracy(examples, models, tmp_path):
    save_model(tmp_path / 'bad' / 'Format-Serving', 'mala')
    bad = artifact(standard_artifacts.Model, tmp_path / 'bad')
    tests, reason = behaviour(examples, tmp_path / 'run', bad, min_score=1.0)
    assert reason.startswith('accuracy 0.0% on 20 held-out rows')
    assert tests['own']['passed'] == 1
