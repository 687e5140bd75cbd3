"""Rows: labels, fingerprint, split."""

import math
import unicodedata

import pytest

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.field_parsers import RatingParser
from vaiven.components.text_example_gen.label_parsers import LabelParser
from vaiven.components.text_example_gen.rows import Row, assign_split, text_fingerprint
from vaiven.configuration import ConfigError, from_json, replace, to_json
from vaiven.serving.common.labels import nfc

CONFIG = DataConfig()


def split(text, group=None, label=1, config=CONFIG):
    return assign_split(Row(1, text, label, group), text_fingerprint(text), config)


@pytest.mark.parametrize(
    'other',
    [
        '¡QUÉ película!',
        '  ¡Qué \t película!\n',
        '¡Qué\u00a0película!',
        unicodedata.normalize('NFD', '¡Qué película!'),
    ],
)
def test_case_white_space_and_unicode_form_do_not_make_another_text(other):
    assert text_fingerprint(other) == text_fingerprint('¡Qué película!')


@pytest.mark.parametrize('other', ['Que película!', '¡Qué película', '¡Quépelícula!', ''])
def test_an_accent_a_sign_or_a_missing_space_make_another_text(other):
    assert text_fingerprint(other) != text_fingerprint('¡Qué película!')


def test_case_folding_that_undoes_the_normal_form_does_not_make_another_text():
    # U+0345 folds to iota, after which the marks stand in another order.
    text = '\u03b1\u0345\u0301'
    assert text_fingerprint(text) == text_fingerprint(unicodedata.normalize('NFD', text))
    assert text_fingerprint('STRASSE') == text_fingerprint('straße')


def test_a_split_never_changes():
    texts = ['A moving film', '¡Qué película!', 'فيلم رائع', '👩‍👩‍👧 ❤️', 'x' * 1000]
    assert [split(text) for text in texts] == ['eval', 'eval', 'train', 'train', 'test']


def test_the_parts_of_the_splits_are_those_of_the_buckets():
    splits = [split(f'text {number}') for number in range(4000)]
    assert splits.count('train') / 4000 == pytest.approx(0.8, abs=0.02)
    assert splits.count('eval') / 4000 == pytest.approx(0.1, abs=0.02)
    assert splits.count('test') / 4000 == pytest.approx(0.1, abs=0.02)


def test_rows_of_one_group_share_a_split():
    assert len({split(f'text {number}', group='El Sur') for number in range(50)}) == 1


def test_a_row_without_a_label_is_in_no_labelled_split():
    assert split('A moving film', label=None) == 'unlabelled'


def test_the_text_of_a_row_is_in_nfc():
    assert nfc('pelı\u0301cula Que\u0301') == 'pelı\u0301cula Qué'


@pytest.mark.parametrize(
    ('label', 'expected'),
    [('1', 1), (' Positive ', 1), ('NEGATIVO', 0), ('-1', 0), ('', None), ('None', None), ('+1', 1)],
)
def test_labels_are_read_whatever_their_case(label, expected):
    assert LabelParser(CONFIG)(label, 'row', ColumnCounts()) == expected


def test_stars_become_labels_by_configuration():
    config = replace(CONFIG, 'positive_labels', '4,5')
    config = replace(replace(config, 'negative_labels', '1,2'), 'unlabelled_labels', '3')
    assert [LabelParser(config)(stars, 'row', ColumnCounts()) for stars in '12345'] == [0, 0, None, 1, 1]


@pytest.mark.parametrize(
    ('rating', 'expected'), [('1', -1.0), ('3', 0.0), (' 5 ', 1.0), ('4.5', 0.75), ('', None), (' ', None)]
)
def test_a_rating_becomes_a_number_between_minus_one_and_one(rating, expected):
    assert RatingParser(replace(CONFIG, 'rating_range', '1,5'))(rating, 'row') == expected


@pytest.mark.parametrize('rating', ['5.1', '0', 'good', 'nan', 'inf', '4/5', '4,5'])
def test_a_rating_that_is_none_says_where_it_is_and_how_to_give_the_range(rating):
    config = replace(replace(CONFIG, 'rating_column', 'stars'), 'rating_range', '1,5')
    with pytest.raises(
        DataError,
        match=rf"a.csv, line 7: '{rating}' in column 'stars' is not a number between 1 and 5; .*range=1,5",
    ):
        RatingParser(config)(rating, 'a.csv, line 7')


@pytest.mark.parametrize(
    ('values', 'rule'),
    [
        ({'label_column': 'text'}, 'must be different columns'),
        ({'text_column': ''}, 'must name a column'),
        ({'delimiter': '"'}, 'must be one character'),
        ({'delimiter': '||'}, 'must be one character'),
        ({'positive_labels': ('1', 'NEG')}, 'cannot be negative and positive'),
        ({'positive_labels': ()}, 'must name a label'),
        ({'negative_labels': ('0', ' ')}, 'an empty label is always unlabelled'),
        ({'negative_labels': ('1.0', '2')}, 'set both data.negative_labels and data.positive_labels'),
        ({'negative_labels': ('2',), 'unlabelled_labels': ('2.0',)}, 'cannot be negative and unlabelled'),
        ({'language_column': 'label'}, 'must be different columns'),
        ({'rating_column': 'text'}, 'must be different columns'),
        ({'rating_range': (5.0, 1.0)}, 'two numbers'),
        ({'rating_range': (1.0,)}, 'two numbers'),
        ({'rating_range': (math.nan, 1.0)}, 'two numbers'),
        ({'max_row_bytes': 1}, 'max_row_bytes'),
        ({'test_buckets': 0}, 'test_buckets'),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(values, rule):
    with pytest.raises(ConfigError, match=rule):
        DataConfig(**values)


def test_a_configuration_travels_as_json():
    config = DataConfig(text_column='body', group_column='película', delimiter='\t')
    assert from_json(DataConfig, to_json(config)) == config
