"""TFX's Transform with the vocabulary as an input."""

import json

import pytest
import tensorflow as tf
from executor_runs import artifact, channel, run, write_examples
from tfx.types import standard_artifacts

from vaiven.components.transform.component import TextTransform
from vaiven.components.vocabulary.artifact import VocabularyArtifact
from vaiven.models.data import dataset

pytestmark = pytest.mark.slow

SPLITS = {
    'train': [{'text': 'Qué bonita', 'label': 1}, {'text': '', 'label': 0}],
    'eval': [{'text': 'bonita bonita otra', 'label': 0}],
    'test': [{'text': 'held out', 'label': 1}],
}


def transform(tmp_path, splits, schema_of_more=''):
    examples = write_examples(tmp_path / 'examples', splits)
    vocabulary = artifact(VocabularyArtifact, tmp_path / 'vocabulary')
    (tmp_path / 'vocabulary' / 'vocab.txt').write_text('[PAD]\n[UNK]\n[BOS]\n[EOS]\nqué\nbonita\n')
    schema = artifact(standard_artifacts.Schema, tmp_path / 'schema')
    (tmp_path / 'schema' / 'schema.pbtxt').write_text(
        'feature { name: "text" type: BYTES value_count { min: 1 max: 1 } }\n'
        'feature { name: "label" type: INT value_count { min: 1 max: 1 } }\n' + schema_of_more
    )
    component = TextTransform(
        channel(standard_artifacts.Examples),
        channel(standard_artifacts.Schema),
        channel(VocabularyArtifact),
        preprocessing_fn='vaiven.models.data.preprocessing.preprocessing_fn',
        custom_config={'config': json.dumps({'text': {}})},
    )
    given = {'examples': examples, 'schema': schema, 'vocabulary': vocabulary}
    made = run(component, tmp_path / 'out', given)
    rows = {}
    for split in ('train', 'eval', 'unlabelled'):
        rows[split] = []
        for path in sorted((tmp_path / 'out/transformed_examples' / f'Split-{split}').iterdir()):
            for record in tf.data.TFRecordDataset(str(path), compression_type='GZIP').as_numpy_iterator():
                features = tf.train.Example.FromString(record).features.feature
                rows[split].append(
                    tuple(list(features[name].int64_list.value) for name in ('ids', 'label', 'position'))
                )
    return made, rows


def test_the_function_finds_the_vocabulary_and_unlabelled_rows_have_no_label(tmp_path):
    splits = {**SPLITS, 'unlabelled': [{'text': 'QUE\u0301'}]}
    _, rows = transform(tmp_path, splits)
    assert sorted(rows['train']) == [([2, 3], [0], [-1]), ([2, 4, 5, 3], [1], [-1])]
    assert rows['eval'] == [([2, 5, 5, 1, 3], [0], [-1])]
    assert rows['unlabelled'] == [([2, 4, 3], [-1], [-1])]
    assert not (tmp_path / 'out/transformed_examples/Split-test').exists()


@pytest.fixture(scope='module')
def with_position(tmp_path_factory):
    """The folder of the transformed rows and the rows, of data with positions and ratings and an empty split."""
    folder = tmp_path_factory.mktemp('position')
    splits = {
        'train': [{'text': 'Qué', 'position': 2**32, 'rating': -0.5}, {'text': 'bonita'}],
        'eval': [{'text': 'otra', 'rating': 1.0}],
        'unlabelled': [],
    }
    more = 'feature { name: "position" type: INT }\nfeature { name: "rating" type: FLOAT }\n'
    _, rows = transform(folder, splits, more)
    return folder / 'out/transformed_examples', rows


def test_a_split_without_rows_stays_without_rows(with_position):
    _, rows = with_position
    assert rows['unlabelled'] == []
    assert len(rows['train']) == 2


def test_position_and_rating_reach_the_training_and_rows_without_them_too(with_position):
    folder, _ = with_position

    def read(split):
        files = map(str, (folder / f'Split-{split}').iterdir())
        rows = dataset.read_features(list(files)).as_numpy_iterator()
        return sorted((float(row['label']), int(row['position']), str(row['rating'])) for row in rows)

    assert read('train') == [(-1.0, -1, 'nan'), (-1.0, 2**32, '-0.5')]
    assert read('eval') == [(-1.0, -1, '1.0')]
