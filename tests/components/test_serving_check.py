"""The check of a served model, with a real server."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from executor_runs import artifact, channel, run, write_examples
from tfx.types import standard_artifacts

from vaiven.components.serving_check import comparison
from vaiven.components.serving_check.check import ServingCheckResult, check_model
from vaiven.components.serving_check.comparison import PROBES, max_difference
from vaiven.components.serving_check.component import ServingCheck
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.configuration import ConfigError
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import normalize

pytestmark = pytest.mark.slow

TEXTS = tf.TensorSpec([None], tf.string, name='text')


def export(folder, probability):
    """A SavedModel with a `serving_default` as the real one's, one on tf.Examples, and one with `k`."""

    def sentiment(text):
        value = probability(text)
        return {'probability': value, 'label': tf.where(value > 0.5, 'positive', 'negative')}

    def classify(inputs):
        examples = tf.io.parse_example(inputs, {'text': tf.io.FixedLenFeature([], tf.string)})
        return {'scores': length(examples['text'])[:, tf.newaxis]}

    def next_word(text, k):
        return {'tokens': tf.repeat(text[:, tf.newaxis], k, axis=1)}

    archive = keras.export.ExportArchive()
    archive.track(tf.Variable(1.0))
    archive.add_endpoint('serving_default', sentiment, [TEXTS])
    archive.add_endpoint('classify', classify, [tf.TensorSpec([None], tf.string, name='inputs')])
    archive.add_endpoint('next_word', next_word, [TEXTS, tf.TensorSpec([], tf.int32, name='k')])
    archive.write_out(str(folder), verbose=False)
    return str(folder)


def length(text):
    text = normalize(text, TextConfig())
    return tf.sigmoid(tf.cast(tf.strings.length(text, unit='UTF8_CHAR'), tf.float32) / 50 - 1)


def test_a_model_that_answers_the_same_when_served_is_blessed(tmp_path):
    export(tmp_path / 'model' / 'Format-Serving', length)
    rows = [{'text': f'Qué película {"👍" * n} فيلم', 'label': n % 2} for n in range(30)]
    component = ServingCheck(
        channel(standard_artifacts.Model),
        channel(standard_artifacts.Examples),
        ServingCheckConfig(max_rows=25, batch_size=10),
    )
    given = {
        'model': artifact(standard_artifacts.Model, tmp_path / 'model'),
        'examples': write_examples(tmp_path / 'examples', {'train': [], 'test': rows}),
    }
    blessing = run(component, tmp_path / 'out', given)['blessing']
    check = json.loads((tmp_path / 'out/blessing/check.json').read_text())
    assert check['reason'] == ''
    assert check['rows'] == 25
    assert check['grpc'] <= 1e-6
    assert check['rest'] <= 1e-6
    assert set(check['signatures']) == {'serving_default', 'classify', 'next_word'}
    assert blessing.get_int_custom_property('blessed') == 1
    assert (tmp_path / 'out/blessing/INFRA_BLESSED').exists()


def test_a_model_whose_answers_change_is_not_blessed(tmp_path):
    folder = export(tmp_path, lambda text: tf.random.uniform(tf.shape(text)))
    check = check_model(folder, ['some text'], ServingCheckConfig())
    assert 'served answers differ by more than 1e-06' in check.reason
    assert check.rows == 1


def test_a_model_that_reads_another_apostrophe_as_another_word_is_not_blessed(tmp_path):
    def apostrophes(text):
        plain = tf.strings.regex_full_match(text, ".*'.*")
        return tf.where(plain, 0.9, 0.2)

    check = check_model(export(tmp_path, apostrophes), ['some text'], ServingCheckConfig())
    assert 'the same text gets different answers when its apostrophes' in check.reason


def test_a_model_that_fails_on_an_empty_text_is_not_blessed(tmp_path):
    def strict(text):
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(text != ''), ['an empty text'])]):
            return length(text)

    check = check_model(export(tmp_path, strict), ['some text'], ServingCheckConfig())
    assert 'an empty text' in check.reason
    assert '\n' not in check.reason


def test_what_no_server_can_load_is_not_blessed(tmp_path):
    (tmp_path / 'saved_model.pb').write_bytes(b'no model')
    check = check_model(str(tmp_path), ['some text'], ServingCheckConfig(start_seconds=60))
    assert check.reason.startswith('ServerStartError')
    assert '\n' not in check.reason


def values(*numbers):
    return {'x': np.array(numbers, np.float32)}


@pytest.mark.parametrize(
    ('expected', 'received', 'result'),
    [
        (values(0.5, 0.25), values(0.5, 0.5), 0.25),
        (values(-100.0), values(-101.0), 0.01),
        (values(), values(), 0.0),
        (values(math.nan), values(math.nan), math.inf),
        (values(1.0), values(1.0, 2.0), math.inf),
        (values(1.0), {'y': np.array([1.0])}, math.inf),
        ({'x': np.array([b'a'])}, {'x': np.array(['a'], dtype=object)}, 0.0),
        ({'x': np.array([b'a'])}, {'x': np.array([b'b'])}, math.inf),
        ({'x': np.array([3])}, {'x': np.array([4])}, 1 / 3),
    ],
)
def test_a_difference_is_relative_above_one_and_infinite_where_it_has_no_size(expected, received, result):
    assert max_difference(expected, received) == pytest.approx(result)


CLASSES = np.array([['envío', 'פנייה', '💳']], dtype=object)


def answers(label: str, *probabilities: float, labels: str | None = None):
    several = {} if labels is None else {'labels': np.array([labels.encode()], dtype=object)}
    names = np.array([[name.encode() for name in CLASSES[0]]], dtype=object)
    return {
        'label': np.array([label.encode()], dtype=object),
        'probabilities': np.array([probabilities]),
        'classes': names,
        **several,
    }


def test_a_label_that_differs_counts_as_the_distance_of_the_probabilities():
    tie = answers('envío', 0.45, 0.45 - 1e-8, 0.1)
    assert max_difference(tie, tie) == 0
    assert max_difference(tie, {**tie, 'label': np.array(['פנייה'], object)}) == pytest.approx(1e-8)
    assert max_difference(tie, {**tie, 'label': np.array(['💳'], object)}) == pytest.approx(0.35)
    assert max_difference(tie, {**tie, 'label': np.array(['otro'], object)}) == math.inf
    assert max_difference(tie, {**tie, 'label': np.array([], object)}) == math.inf
    # The columns are what a client reads by place.
    assert max_difference(tie, {**tie, 'classes': CLASSES[:, ::-1]}) == math.inf


def test_several_labels_that_differ_count_as_the_distance_from_one_half():
    expected = answers('envío', 0.9, 0.5, 0.1, labels='envío|פנייה')
    other = answers('envío', 0.9, 0.5 - 1e-8, 0.1, labels='envío')
    assert max_difference(expected, other) == pytest.approx(1e-8)
    assert max_difference(expected, answers('envío', 0.9, 0.5, 0.1, labels='envío')) == math.inf
    assert max_difference(expected, answers('envío', 0.9, 0.4, 0.1, labels='envío')) == pytest.approx(0.1)


def test_a_check_is_written_as_strict_json():
    text = ServingCheckResult(grpc=math.inf, signatures={'embed': math.inf}).to_json()
    assert 'Infinity' not in text
    assert json.loads(text)['grpc'] == 'inf'


def test_the_probes_reach_a_signature_in_the_form_that_it_takes(tmp_path):
    model = comparison.InProcessModel(export(tmp_path, length))
    assert model.inputs('next_word', PROBES)['k'].dtype == np.int32
    assert model.inputs('serving_default', PROBES)['text'][3] == '¡Qué película más bonita!'.encode()
    assert tf.train.Example.FromString(model.inputs('classify', PROBES)['inputs'][0]).features.feature['text']


@pytest.mark.parametrize(
    'bad', [{'max_rows': 0}, {'batch_size': 0}, {'tolerance': 1.0}, {'start_seconds': 0.0}]
)
def test_a_configuration_that_makes_no_sense_is_refused(bad):
    with pytest.raises(ConfigError, match='serving'):
        ServingCheckConfig(**bad)
