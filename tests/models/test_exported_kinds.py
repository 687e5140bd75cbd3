"""Exported models for labels that are not binary."""

import pickle

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401 (operations of the models)

from tests import sharing
from tests.models.conftest import CONFIG, FRAMES, train_and_export
from tests.models.restored import require_signature_values
from vaiven.label_spec import NO_CLASS

pytestmark = pytest.mark.slow

CLASSES = {
    'multiclass': ('¿niño?', '👍🏽 bien', 'مكسور'),
    'ordinal': ('1 ★', '2.5', '٤ 4'),
    'multilabel': ('envío', '💶', 'مكسور'),
}
# The words of each class.
WORDS = (('roto', 'broken'), ('niño', 'شكرا'), ('great', '👍🏽'))
TEXTS = ['', 'roto', 'Broken niño', '👍🏽 great', 'شكرا', 'a text of unknown words', 'نص']


def rows_of(kind: str) -> list[tuple[str, list[int]]]:
    rows = [(frame.format(word), [c]) for frame in FRAMES for c, words in enumerate(WORDS) for word in words]
    if kind == 'multilabel':
        rows += [(frame.format(f'{WORDS[0][0]} {WORDS[2][1]}'), [0, 2]) for frame in FRAMES]
        rows += [(frame.format('nada'), [NO_CLASS]) for frame in FRAMES]
    return [*rows, ('unlabelled', []), ('', [1])]


@pytest.fixture(scope='module', params=CLASSES)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope='module')
def exported(kind, tmp_path_factory):
    """Folder of the SavedModel."""
    config = {
        **CONFIG,
        'training': {**CONFIG['training'], 'language_epochs': 0},
        'data': {'label_kind': kind, 'classes': CLASSES[kind], 'label_separator': ';'},
    }
    folder = sharing.made_once(
        tmp_path_factory, f'trained_{kind}', lambda new: train_and_export(new, config, rows_of(kind))
    )
    return pickle.loads((folder / 'trained.pickle').read_bytes()).folder


@pytest.fixture(scope='module')
def model(exported):
    return tf.saved_model.load(exported)


@pytest.fixture
def served(model):
    return model.signatures


def answers(served, texts) -> dict[str, np.ndarray]:
    found = served['serving_default'](text=tf.constant(texts, tf.string))
    return {name: value.numpy() for name, value in found.items()}


def encoded(names) -> list[bytes]:
    return [name.encode() for name in names]


def test_each_text_gets_its_label_the_score_and_all_classes(kind, served):
    found = answers(served, TEXTS)
    names = encoded(CLASSES[kind])
    assert found['classes'].tolist() == [names] * len(TEXTS)
    assert found['probabilities'].shape == (len(TEXTS), 3)
    if kind != 'multilabel':
        np.testing.assert_allclose(found['probabilities'].sum(axis=1), 1, atol=1e-5)
    best = found['probabilities'].argmax(axis=1)
    assert found['label'].tolist() == [names[c] for c in best]
    np.testing.assert_allclose(found['score'], found['probabilities'].max(axis=1), atol=1e-6)
    assert found['label'][1] == names[0]
    assert found['label'][3] == names[2]
    assert 'probability' not in found


def test_only_ordered_classes_have_an_expected_value_and_only_several_labels_are_joined(kind, served):
    found = answers(served, TEXTS)
    assert ('expected_value' in found, 'labels' in found) == (kind == 'ordinal', kind == 'multilabel')
    if kind == 'ordinal':
        expected = found['probabilities'] @ [1, 2.5, 4]
        np.testing.assert_allclose(found['expected_value'], expected, atol=1e-5)
    if kind == 'multilabel':
        names = CLASSES[kind]
        joined = [
            ';'.join(n for n, p in zip(names, row, strict=True) if p >= 0.5) for row in found['probabilities']
        ]
        assert found['labels'].tolist() == encoded(joined)
        both, none = answers(served, ['roto 👍🏽', 'nada'])['labels']
        assert (both, none) == ('envío;مكسور'.encode(), b'')


def test_classify_gives_all_classes_in_serving_form(kind, served):
    examples = []
    for text in TEXTS:
        example = tf.train.Example()
        example.features.feature['text'].bytes_list.value.append(text.encode())
        examples.append(example.SerializeToString())
    found = served['classify'](inputs=tf.constant(examples))
    assert found['classes'].numpy().tolist() == [encoded(CLASSES[kind])] * len(TEXTS)
    np.testing.assert_allclose(found['scores'], answers(served, TEXTS)['probabilities'], atol=1e-6)


def test_no_texts_get_no_answers_of_any_kind(served):
    found = answers(served, [])
    assert found['probabilities'].shape == found['classes'].shape == (0, 3)
    assert {len(value) for value in found.values()} == {0}


def test_the_sentiment_of_prefixes_is_left_out_and_the_other_signatures_are_not(served):
    assert set(served) >= {'serving_default', 'classify', 'score', 'embed', 'next_word', 'generate'}
    assert 'sentiment_course' not in served


def test_features_are_transformed_for_every_kind(kind, served):
    example = tf.train.Example()
    example.features.feature['text'].bytes_list.value.append(b'roto')
    labels = [0, 2] if kind == 'multilabel' else [2]
    example.features.feature['label'].int64_list.value.extend(labels)
    found = served['transform_features'](examples=tf.constant([example.SerializeToString()]))
    assert found['label'].numpy().tolist() == ([labels] if kind == 'multilabel' else labels)


def test_the_network_of_the_model_is_restored(exported):
    require_signature_values(exported)
