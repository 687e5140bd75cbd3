"""The components in a TFX pipeline of somebody else, with other names of splits and features."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from executor_runs import BEAM_ARGS, artifact, channel, read_split, run
from tfx.components import CsvExampleGen, StatisticsGen
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts

from vaiven.components import (
    LinearBaseline,
    PairedEvaluator,
    ServingCheck,
    TextExampleGen,
    TextTransform,
    Vocabulary,
)
from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.evaluation.evaluation import eval_config
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.configuration import ConfigError
from vaiven.errors import UserError
from vaiven.models.text.config import TextConfig

SPLITS = {'learn': 3, 'held_out': 1}


def csv_example_gen(folder: Path) -> CsvExampleGen:
    folder.mkdir()
    rows = [f'{"bonita" if label else "mala"} {number},{label}' for number in range(40) for label in (0, 1)]
    (folder / 'reviews.csv').write_text('\n'.join(['review,is_positive', *rows]) + '\n', encoding='utf-8')
    splits = [
        example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=buckets) for name, buckets in SPLITS.items()
    ]
    return CsvExampleGen(
        input_base=str(folder),
        output_config=example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits)),
    )


@pytest.mark.slow
def test_components_run_in_a_pipeline_with_other_splits_and_features(tmp_path):
    example_gen = csv_example_gen(tmp_path / 'data')
    examples = example_gen.outputs['examples']
    statistics_gen = StatisticsGen(examples=examples)
    vocabulary = Vocabulary(
        examples=examples,
        config=VocabularyConfig(min_count=10),
        text=TextConfig(),
        splits=['learn'],
        text_feature='review',
    )
    baseline = LinearBaseline(
        examples=examples,
        train_split='learn',
        test_split='held_out',
        text_feature='review',
        label_feature='is_positive',
    )
    LocalDagRunner().run(
        tfx_pipeline.Pipeline(
            pipeline_name='own',
            pipeline_root=str(tmp_path / 'root'),
            components=[example_gen, statistics_gen, vocabulary, baseline],
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(tmp_path / 'metadata.db')
            ),
            beam_pipeline_args=BEAM_ARGS,
        )
    )
    [tokens] = (tmp_path / 'root').glob('Vocabulary/vocabulary/*/vocab.txt')
    assert {'bonita', 'mala'} <= set(tokens.read_text(encoding='utf-8').split())
    [result] = (tmp_path / 'root').glob('LinearBaseline/baseline/*/baseline.json')
    accuracies = json.loads(result.read_text(encoding='utf-8'))
    assert accuracies['nb_svm'] == 1.0
    assert 0 < accuracies['rows'] < 40


def test_text_example_gen_writes_other_names_of_splits_and_features(tmp_path):
    rows = ''.join(f'film {number},{number % 2}\n' for number in range(120))
    (tmp_path / 'a.csv').write_text(f'text,label\n{rows}', encoding='utf-8')
    component = TextExampleGen(
        DataFiles((str(tmp_path / 'a.csv'),)),
        DataConfig(),
        split_names={'eval': 'validation'},
        feature_names={'text': 'review', 'label': 'is_positive'},
    )
    examples = run(component, tmp_path / 'out')['examples']
    assert json.loads(examples.split_names) == ['train', 'validation', 'test', 'unlabelled']
    assert all(set(row) == {'review', 'is_positive'} for row in read_split(examples, 'validation'))
    assert sum(len(read_split(examples, split)) for split in ('train', 'validation', 'test')) == 120


def test_a_split_that_the_examples_do_not_have_is_named_with_those_that_they_have(tmp_path):
    examples = artifact(standard_artifacts.Examples, tmp_path / 'examples')
    examples.split_names = '["learn"]'
    component = Vocabulary(channel(standard_artifacts.Examples), VocabularyConfig(), TextConfig(), ['train'])
    with pytest.raises(UserError, match=r"no split 'train'. Received the splits: learn"):
        run(component, tmp_path / 'out', {'examples': examples})


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda e, m: LinearBaseline(e, train_split=''), 'LinearBaseline: train_split must be a name'),
        (
            lambda e, m: Vocabulary(e, VocabularyConfig(), TextConfig(), splits='train'),
            'Vocabulary: splits must be a list',
        ),
        (
            lambda e, m: PairedEvaluator(e, m, eval_config(EvaluationConfig()), example_splits=[]),
            'PairedEvaluator: example_splits must be a list',
        ),
        (
            lambda e, m: ServingCheck(m, e, ServingCheckConfig(), text_feature=''),
            'ServingCheck: text_feature',
        ),
        (lambda e, m: TextTransform(e, e, e, 'f', splits=['']), 'TextTransform: splits must be a list'),
        (
            lambda e, m: TextExampleGen(DataFiles(('/a.csv',)), DataConfig(), split_names={'dev': 'eval'}),
            'keys of split_names must be among train, eval, test, unlabelled',
        ),
        (
            lambda e, m: TextExampleGen(
                DataFiles(('/a.csv',)), DataConfig(), feature_names={'text': 'label'}
            ),
            'feature_names must give different names',
        ),
    ],
)
def test_a_name_that_cannot_be_is_refused_when_the_component_is_built(build, message):
    with pytest.raises(ConfigError, match=message):
        build(channel(standard_artifacts.Examples), channel(standard_artifacts.Model))


def test_importing_the_package_of_components_does_not_import_tfx():
    code = (
        "import sys, vaiven.components; print('tfx' in sys.modules, 'Vocabulary' in dir(vaiven.components))"
    )
    output = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ['False', 'True']
