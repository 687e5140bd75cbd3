"""The labels in one field of a table, and the labels that a list of classes understands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaiven.serving.common.label_fields import field_labels
from vaiven.serving.common.labels import class_indices, is_missing, label_key

FIELDS = {
    'one label': ('a b', ('a b',)),
    'white space': (' ñ ', ('ñ',)),
    'a list': ('["ñ", 2, 1.0, true]', ('ñ', '2', '1.0', 'true')),
    'an empty list': (' [] ', ()),
    'a list of pandas': ("['it', \"isn't\"]", ('it', "isn't")),
    'missing values in a list': ('["a", null, NaN, ""]', ('a',)),
    'missing values alone': ('[null, ""]', None),
    'a label twice': ('["a", "A ", "b"]', ('a', 'b')),
    'a separator': ('a| b |', ('a', 'b')),
    'a separator alone': ('|', None),
    'brackets': ('[spam]', ('[spam]',)),
    'a list in a list': ('[["a"]]', ('[["a"]]',)),
    'no JSON': ('[1', ('[1',)),
    'very deep': ('[' * 5000 + ']' * 5000, ('[' * 5000 + ']' * 5000,)),
    'nothing': ('', None),
    'a missing value': ('NaN', None),
    'no field': (None, None),
}


@pytest.mark.parametrize(('field', 'labels'), FIELDS.values(), ids=FIELDS)
def test_a_field_has_one_label_or_a_list_or_labels_with_a_separator(field, labels):
    assert field_labels(field, '|') == labels


def test_without_a_separator_it_is_a_part_of_the_label():
    assert field_labels('a|b') == ('a|b',)


@given(st.lists(st.text().map(str.strip), unique_by=label_key))
def test_a_json_list_is_read_back(labels):
    present = tuple(label for label in labels if not is_missing(label))
    assert field_labels(json.dumps(labels)) == (None if labels and not present else present)


def test_classes_understand_their_names_and_the_usual_spellings_of_sentiments():
    assert class_indices(['Envíos', '4.0']) == {'envíos': 0, '4': 1}
    indices = class_indices(['neg', 'Neutral', 'positive', 'POS'])
    assert {key: indices.get(key) for key in ('negativa', 'neu', 'positivo', 'pos', 'positive', '1')} == {
        'negativa': 0, 'neu': 1, 'positivo': 2, 'pos': 3, 'positive': 2, '1': None,
    }  # fmt: skip
