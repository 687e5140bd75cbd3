import hashlib
import json
import os
import pathlib
import subprocess
import sys
from pathlib import Path

import kfp.components
import pytest
import yaml
from tfx.dsl.compiler import compiler

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.pipeline.config import configure
from vaiven.pipeline.graph import local_pipeline, training_config
from vaiven.pipeline.kubeflow import compile_pipeline
from vaiven.pipeline.paths import RunPaths
from vaiven.pipeline.stages import STAGES, stages

GOLDEN = Path(__file__).parent / 'golden' / 'reviews.yaml'
PACKAGE = Path(__file__).parent.parent.parent


@pytest.fixture(scope='module')
def program(tmp_path_factory):
    paths = RunPaths.at(str(tmp_path_factory.mktemp('root')), 'reviews')
    return compiler.Compiler().compile(
        local_pipeline(configure('reviews'), DataFiles(('/data/reviews.csv',)), paths)
    )


def compiled(path: Path, settings=(), teacher=(), **options) -> list[dict]:
    compile_pipeline(
        configure('reviews', settings),
        DataFiles(('gs://bucket/reviews.csv',), teacher=teacher),
        root='gs://bucket/runs',
        image='registry/vaiven:1',
        output=str(path),
        **options,
    )
    return list(yaml.safe_load_all(path.read_text()))


def test_the_stages_match_the_components_of_the_graph_in_order_and_inputs(program):
    nodes = [node.pipeline_node for node in program.nodes]
    compare(stages(configure('reviews')), nodes)


def compare(planned, nodes) -> None:
    assert [stage.name for stage in planned] == [node.node_info.id for node in nodes]
    for stage, node in zip(planned, nodes, strict=True):
        assert set(stage.inputs) == set(node.upstream_nodes), stage.name


def test_a_search_for_settings_comes_before_the_training_that_takes_them(tmp_path):
    config = configure('reviews', ['tuning.trials=3'])
    paths = RunPaths.at(str(tmp_path), 'reviews')
    program = compiler.Compiler().compile(local_pipeline(config, DataFiles(('/data/reviews.csv',)), paths))
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in program.nodes}
    compare(stages(config), list(nodes.values()))
    assert 'hyperparameters' in nodes['Trainer'].inputs.inputs
    settings = nodes['Tuner'].parameters.parameters['custom_config'].field_value.string_value
    assert json.loads(json.loads(settings)['config'])['tuning'] == {'trials': 3}
    trained = nodes['Trainer'].parameters.parameters['custom_config'].field_value.string_value
    assert json.loads(trained)['unfinished'] == paths.unfinished
    assert 'trials' not in trained


@pytest.mark.parametrize('preset', ['novel', 'novel_paper'])
def test_the_language_task_has_the_language_evaluator(tmp_path, preset):
    config = configure(preset)
    paths = RunPaths.at(str(tmp_path), preset)
    program = compiler.Compiler().compile(local_pipeline(config, DataFiles(('/data/book.txt',)), paths))
    nodes = [node.pipeline_node for node in program.nodes]
    compare(stages(config), nodes)
    names = {node.node_info.id for node in nodes}
    assert 'LanguageEvaluator' in names
    assert not names & {'Evaluator', 'LinearBaseline'}
    [evaluator] = [node for node in nodes if node.node_info.id == 'LanguageEvaluator']
    assert set(evaluator.inputs.inputs) == {'examples', 'model', 'baseline_model'}


def test_kubeflow_gets_the_novel_writer_too(tmp_path):
    path = tmp_path / 'made.yaml'
    compile_pipeline(
        configure('novel'),
        DataFiles(('gs://bucket/books/*.txt',)),
        root='gs://bucket/runs',
        image='registry/vaiven:1',
        output=str(path),
        baseline='latest',
    )
    specification = next(yaml.safe_load_all(path.read_text()))
    tasks = specification['root']['dag']['tasks']
    assert tasks['AtomicPusher']['inputs']['artifacts']['model_blessing']['taskOutputArtifact'] == {
        'outputArtifactKey': 'blessing',
        'producerTask': 'LanguageEvaluator',
    }
    assert 'baseline_model' in tasks['LanguageEvaluator']['inputs']['artifacts']
    kfp.components.load_component_from_text(yaml.safe_dump(specification))


def test_a_teacher_reaches_the_training_alone_and_the_model_names_its_files(tmp_path):
    scored = tmp_path / 'scored.csv'
    scored.write_text('text,probability\n')
    specification, _ = compiled(tmp_path / 'made.yaml', teacher=('gs://bucket/scored.jsonl',))
    inputs = {
        name: {
            parameter: value['runtimeValue']['constant']
            for parameter, value in task.get('inputs', {}).get('parameters', {}).items()
        }
        for name, task in specification['root']['dag']['tasks'].items()
    }
    for name in ('Vocabulary', 'TextTransform', 'Trainer'):
        assert 'teacher' in json.dumps(inputs[name])
    for name in ('StatisticsGen', 'SchemaGen', 'ExampleValidator'):
        assert json.loads(inputs[name]['exclude_splits']) == ['unlabelled', 'teacher']
    for name in ('LinearBaseline', 'Evaluator', 'ServingCheck'):
        assert 'teacher' not in json.dumps(inputs[name])
    trainer = json.loads(json.loads(inputs['Trainer']['custom_config'])['config'])
    assert trainer['teacher_files'] == [{'file': 'gs://bucket/scored.jsonl'}]
    [local] = json.loads(training_config(configure('reviews'), [str(scored)]))['teacher_files']
    assert local == {'file': 'scored.csv', 'sha256': hashlib.sha256(scored.read_bytes()).hexdigest()}


def test_kubeflow_gets_the_search_too(tmp_path):
    specification, _ = compiled(tmp_path / 'made.yaml', ['tuning.trials=3'], gpus=1)
    tasks = specification['root']['dag']['tasks']
    assert tasks['Trainer']['inputs']['artifacts']['hyperparameters']['taskOutputArtifact'] == {
        'outputArtifactKey': 'best_hyperparameters',
        'producerTask': 'Tuner',
    }
    kfp.components.load_component_from_text(yaml.safe_dump(specification))


def test_the_sources_of_each_component_exist():
    for stage in STAGES:
        for source in stage.sources:
            assert (PACKAGE / source).exists(), source


def test_caching_is_on_and_the_settings_after_training_do_not_reach_the_trainer(program):
    [trainer] = [node.pipeline_node for node in program.nodes if node.pipeline_node.node_info.id == 'Trainer']
    assert trainer.execution_options.caching_options.enable_cache
    custom_config = trainer.parameters.parameters['custom_config'].field_value.string_value
    assert 'epochs' in custom_config
    assert 'min_accuracy' not in custom_config


def without_settings(specification: dict) -> dict:
    """The same with a word in place of the Trainer's settings: their defaults are not this file's business."""
    parameters = specification['root']['dag']['tasks']['Trainer']['inputs']['parameters']
    settings = json.loads(json.loads(parameters['custom_config']['runtimeValue']['constant'])['config'])
    assert settings == json.loads(training_config(configure('reviews')))
    parameters['custom_config']['runtimeValue']['constant'] = 'SETTINGS'
    return specification


def test_the_kubeflow_specification_is_as_it_was(tmp_path):
    specification, platform = compiled(tmp_path / 'made.yaml')
    made = yaml.safe_dump_all([without_settings(specification), platform], sort_keys=True)
    if os.environ.get('VAIVEN_WRITE_GOLDEN'):
        GOLDEN.write_text(made)
    assert made == GOLDEN.read_text(), 'VAIVEN_WRITE_GOLDEN=1 writes the golden file again'


def test_the_kubeflow_specification_has_the_labels_of_the_configuration(tmp_path):
    settings = ['data.label_kind=ordinal', 'data.classes=["mal", "así así", "★★★"]']
    pipeline, _ = compiled(tmp_path / 'stars.yaml', settings)
    parameters = pipeline['root']['dag']['tasks']['Evaluator']['inputs']['parameters']
    config = json.loads(parameters['eval_config']['runtimeValue']['constant'])
    measures = next(
        one for one in config['metrics_specs'][0]['metrics'] if one['class_name'] == 'LabelMeasures'
    )
    assert json.loads(measures['config']) == {'kind': 'ordinal', 'classes': ['mal', 'así así', '★★★']}
    assert config['model_specs'][0]['prediction_key'] == 'probabilities'
    parameters = pipeline['root']['dag']['tasks']['Trainer']['inputs']['parameters']
    trainer = json.loads(json.loads(parameters['custom_config']['runtimeValue']['constant'])['config'])
    assert trainer['data']['classes'] == ['mal', 'así así', '★★★']


def test_the_kubeflow_specification_is_the_same_each_time(tmp_path):
    assert compiled(tmp_path / 'one.yaml') == compiled(tmp_path / 'two.yaml')


def test_the_kubeflow_specification_loads_and_has_every_component(tmp_path):
    path = tmp_path / 'made.yaml'
    specification, platform = compiled(path)
    assert kfp.components.load_component_from_file(str(path)).name == 'reviews'
    tasks = specification['root']['dag']['tasks']
    assert set(tasks) == {stage.name for stage in stages(configure('reviews'))} - {'BaselineModel'}
    executors = specification['deploymentSpec']['executors']
    for executor in executors.values():
        assert executor['container']['image'] == 'registry/vaiven:1'
        assert executor['container']['command'][-1] == 'vaiven.components.kubeflow_entry'
    assert not tasks['AtomicPusher']['cachingOptions'].get('enableCache')
    [mounted] = platform['platforms']['kubernetes']['deploymentSpec']['executors']
    assert mounted == specification['components']['AtomicPusher']['executorLabel']
    [mount] = platform['platforms']['kubernetes']['deploymentSpec']['executors'][mounted]['pvcMount']
    parameters = tasks['AtomicPusher']['inputs']['parameters']
    serving_dir = parameters['serving_dir']['runtimeValue']['constant']
    assert pathlib.PurePosixPath(serving_dir).parent == pathlib.PurePosixPath(mount['mountPath'])


def test_only_the_trainer_requests_a_gpu(tmp_path):
    specification, _ = compiled(tmp_path / 'made.yaml', gpus=2)
    with_gpu = {
        name: executor['container']['resources']['accelerator']
        for name, executor in specification['deploymentSpec']['executors'].items()
        if 'accelerator' in executor['container'].get('resources', {})
    }
    assert with_gpu == {'Trainer_executor': {'count': '2', 'type': 'nvidia.com/gpu'}}


def test_the_resolver_is_optional(tmp_path):
    specification, _ = compiled(tmp_path / 'made.yaml', baseline='latest')
    tasks = specification['root']['dag']['tasks']
    assert {'BaselineModel-model-resolver', 'BaselineModel-model-blessing-resolver'} <= set(tasks)


def test_a_folder_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(FileNotFoundError):
        compiled(tmp_path / 'missing' / 'made.yaml')
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_is_a_component_between_the_examples_and_transform(tmp_path):
    specification, _ = compiled(tmp_path / 'made.yaml', ['teacher.checkpoint=minilm'])
    tasks = specification['root']['dag']['tasks']

    def producer(task):
        return tasks[task]['inputs']['artifacts']['examples']['taskOutputArtifact']['producerTask']

    assert producer('Teacher') == producer('Vocabulary') == producer('Evaluator') == 'TextExampleGen'
    assert producer('TextTransform') == 'Teacher'
    parameters = tasks['Trainer']['inputs']['parameters']
    config = json.loads(parameters['custom_config']['runtimeValue']['constant'])['config']
    assert json.loads(config)['teacher']['checkpoint'] == 'minilm'
    assert len(json.loads(config)['teacher_checkpoint']['sha256']) == 64


def test_the_vectors_of_words_reach_the_vocabulary_on_kubeflow_and_only_if_there_are_any(tmp_path):
    files = DataFiles(('gs://bucket/a.csv',), vectors=VectorsSource('gs://bucket/potion/'))
    path = tmp_path / 'made.yaml'
    compile_pipeline(configure(), files, root='gs://bucket/runs', image='registry/vaiven:1', output=str(path))
    specification = next(yaml.safe_load_all(path.read_text()))
    parameters = specification['root']['dag']['tasks']['Vocabulary']['inputs']['parameters']
    source = json.loads(parameters['vectors']['runtimeValue']['constant'])
    assert VectorsSource(**source) == VectorsSource('gs://bucket/potion/', '')
    kfp.components.load_component_from_text(yaml.safe_dump(specification))
    without, _ = compiled(tmp_path / 'without.yaml')
    assert 'vectors' not in without['root']['dag']['tasks']['Vocabulary']['inputs']['parameters']


def test_the_graph_and_the_training_need_none_of_the_packages_of_a_teacher() -> None:
    blocked = dict.fromkeys(('safetensors', 'onnxruntime', 'onnx'))
    program = f'import sys; sys.modules.update({blocked}); import vaiven.pipeline.graph, vaiven.models.training.trainer'
    assert subprocess.run([sys.executable, '-c', program], check=False).returncode == 0
