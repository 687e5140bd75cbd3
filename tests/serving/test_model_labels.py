"""What the label of a row means to a model of any kind."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaiven.label_spec import SENTIMENT, LabelSpec
from vaiven.serving.common import model_labels
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.model_labels import UNKNOWN, ModelLabels, divided, joined

TOPICS = ('envío', 'facturación 💳', 'فواتير', '¿otro?')


def labels_of(kind: str, classes: tuple[str, ...], **data: object) -> ModelLabels:
    return ModelLabels.from_config(json.dumps({'data': {'label_kind': kind, 'classes': classes, **data}}))


def test_a_model_of_an_earlier_version_reads_the_labels_of_its_configuration():
    data = {'negative_labels': ['1', '2'], 'positive_labels': ['4', '5'], 'unlabelled_labels': ['', '3']}
    labels = ModelLabels.from_config({'data': data})
    assert labels.spec == LabelSpec()
    assert [labels.read(label, 'a') for label in ('5.0', '1', '3', '', None)] == [
        'positive', 'negative', None, None, None
    ]  # fmt: skip
    with pytest.raises(ServingError) as raised:
        labels.read('good', 'a.csv, line 3')
    assert str(raised.value) == (
        "a.csv, line 3: 'good' is not one of the labels of the model (negative: 1, 2; positive: 4, 5)"
    )


def test_labels_that_were_set_win_over_the_usual_ones_as_in_a_run():
    labels = ModelLabels.from_config({'data': {'unlabelled_labels': ['0']}})
    assert [labels.read(label, 'a') for label in ('0', 'neg', '1')] == [None, 'negative', 'positive']


@pytest.mark.parametrize('kind', ['binary', 'multiclass', 'ordinal'])
@pytest.mark.parametrize('classes', [('ham', 'spam'), ('1', '2', '3')])
def test_other_models_know_the_names_of_their_classes_and_no_synonyms(kind, classes):
    if kind == 'binary' and len(classes) > 2:
        return
    labels = labels_of(kind, classes)
    assert [labels.read(f' {name.upper()} ', 'a') for name in classes] == list(classes)
    for other in ('pos', 'neg', 'true', 'positivo'):
        with pytest.raises(ServingError, match=rf"^a: '{other}' is not one of .* \({', '.join(classes)}\)$"):
            labels.read(other, 'a')


def test_words_for_negative_neutral_and_positive_have_their_usual_spellings_as_in_a_run():
    labels = labels_of('multiclass', ('positivo', 'neutral', 'neg'))
    assert [labels.read(label, 'a') for label in ('Pos', 'neutra', 'NEGATIVE')] == [
        'positivo',
        'neutral',
        'neg',
    ]
    with pytest.raises(ServingError, match=r"^a: 'true' is not one of .* \(positivo, neutral, neg\)$"):
        labels.read('true', 'a')


def test_names_are_compared_without_case_and_unicode_form_and_numbers_as_numbers():
    labels = labels_of('multiclass', (*TOPICS, '3'))
    for name in TOPICS:
        for form in ('NFC', 'NFD'):
            assert labels.read(unicodedata.normalize(form, f' {name.upper()}'), 'a') == name
    assert labels.read('3.0', 'a') == '3'
    assert labels.read('unlabelled', 'a') is None
    assert labels.read('n/a', 'a') is None


@pytest.mark.parametrize(
    ('label', 'classes'),
    [
        ('Envío|فواتير', {'envío', 'فواتير'}),
        (' envío | فواتير |', {'envío', 'فواتير'}),
        ('["¿OTRO?", "a|b", 3.0]', {'¿otro?', 'a|b', '3'}),
        ('a|b', {'a|b'}),
        ('[]', set()),
        ('|', set()),
        ('envío|unlabelled', {'envío'}),
    ],
)
def test_the_labels_of_a_multilabel_row_are_a_set_of_classes(label, classes):
    assert labels_of('multilabel', (*TOPICS, 'a|b', '3')).read(label, 'x') == frozenset(classes)


def test_a_multilabel_row_may_be_unlabelled_and_every_label_is_checked():
    labels = labels_of('multilabel', TOPICS, label_separator=';', unlabelled_labels=['?'])
    assert [labels.read(label, 'x') for label in ('', None, '?', 'NaN')] == [None] * 4
    assert labels.read('envío;¿otro?', 'x') == {'envío', '¿otro?'}
    for wrong in ('envío;nada', '["nada"]', '[null]', '[1', '{}'):
        with pytest.raises(ServingError, match='is not one of the labels of the model'):
            labels.read(wrong, 'x')


def test_only_twenty_classes_are_shown():
    with pytest.raises(ServingError) as raised:
        labels_of('multiclass', tuple(f'c{number}' for number in range(1000))).read('x', 'a')
    assert str(raised.value).endswith('c18, c19 and 980 more)')


@given(st.lists(st.text()))
def test_what_was_joined_is_divided_into_the_same_labels(names):
    assert divided(joined(names)) == names


def outputs(classes: tuple[str, ...] | None, *others: str) -> dict[str, np.ndarray]:
    named = {} if classes is None else {'classes': np.array([[name.encode() for name in classes]], object)}
    return named | {name: np.zeros(1) for name in ('label', *others)}


@pytest.mark.parametrize(
    ('outputs', 'spec'),
    [
        (outputs(('negative', 'positive'), 'probability'), LabelSpec()),
        (outputs(('ham', 'spam'), 'probability'), LabelSpec('binary', ('ham', 'spam'))),
        (outputs(TOPICS), LabelSpec('multiclass', TOPICS)),
        (outputs(('1', '2', '3'), 'expected_value'), LabelSpec('ordinal', ('1', '2', '3'))),
        (outputs(TOPICS, 'labels'), LabelSpec('multilabel', TOPICS)),
    ],
)
def test_a_running_model_says_its_classes(outputs, spec):
    labels = ModelLabels.from_outputs(outputs)
    assert labels is not None
    assert labels.spec == spec
    assert (
        labels.read('positivo', 'a') == 'positive' if spec.is_sentiment else labels.read(spec.classes[0], 'a')
    )


def test_outputs_without_classes_say_nothing():
    assert ModelLabels.from_outputs({'embedding': np.zeros((1, 3))}) is None
    assert ModelLabels.from_outputs(outputs(None, 'probability')) is UNKNOWN


def test_an_unknown_model_reads_the_usual_labels_and_others_as_themselves():
    assert [UNKNOWN.read(label, 'a') for label in ('pos', '-1', ' Neutral ', '', 'sin etiqueta')] == [
        'positive', 'negative', 'Neutral', None, None
    ]  # fmt: skip


def test_classes_of_another_version_are_known_too_and_the_own_ones_win():
    labels = labels_of('multiclass', ('Ham', 'spam')).with_classes(('ham', 'phishing'))
    assert [labels.read(label, 'a') for label in ('HAM', 'Phishing')] == ['Ham', 'phishing']


def test_whether_somebody_has_chosen_the_meaning_of_a_label():
    assert UNKNOWN.are_usual('negative')
    assert not labels_of('binary', SENTIMENT, negative_labels=['1']).are_usual('negative')
    assert not labels_of('binary', ('ham', 'spam')).are_usual('ham')


def test_a_folder_without_a_configuration_has_no_labels(tmp_path: Path):
    assert model_labels.of_model(tmp_path) is None
    path = tmp_path / model_labels.CONFIG
    path.parent.mkdir()
    for content in ('', '[]', '{"data": 3}', '{"data": {"negative_labels": [1]}}', '{"model": {}}', '\xff'):
        path.write_text(content, encoding='latin-1')
        assert model_labels.of_model(tmp_path) is None, content
    path.write_text(json.dumps({'data': {'label_kind': 'multiclass', 'classes': TOPICS}}))
    labels = model_labels.of_model(tmp_path)
    assert labels is not None
    assert labels.spec.classes == TOPICS
