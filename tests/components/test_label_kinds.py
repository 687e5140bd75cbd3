"""Kinds of labels that are found in the data, and what is said about labels that make no sense."""

import itertools
import json
import random
import unicodedata

import pyarrow
import pytest
from pyarrow import parquet

from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.data_warnings import list_warnings
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data


def file_of(tmp_path, labels, name='a.jsonl', column='label', each=40):
    """A file in which each label has as many rows; None for a row without a label."""
    rows = [
        {'text': f'text {number} of {label!r}', column: label} for number in range(each) for label in labels
    ]
    if name.endswith('.parquet'):
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / name)
    else:
        (tmp_path / name).write_text(''.join(f'{json.dumps(row)}\n' for row in rows), encoding='utf-8')
    return DataFiles((str(tmp_path / name),))


def check(tmp_path, labels, column='label', each=40, **settings):
    return check_data(
        file_of(tmp_path, labels, column=column, each=each), DataConfig(label_column=column, **settings)
    )


def found(tmp_path, labels, column='label', **settings):
    config = check(tmp_path, labels, column, **settings).config
    return config.label_kind, config.classes


NFC, NFD = 'Facturación', unicodedata.normalize('NFD', 'Facturación')
SENTIMENT = ('negative', 'positive')
KINDS = {
    # Two classes
    'usual spellings': (['pos', 'Negative', 'neg', 'positivo'], 'binary', SENTIMENT),
    'numbers of sentiment': ([1, 0.0, '+1'], 'binary', SENTIMENT),
    'minus one and one': ([-1, 1], 'binary', SENTIMENT),
    'truth values': ([True, False], 'binary', SENTIMENT),
    'Spanish': (['positiva', 'negativa'], 'binary', SENTIMENT),
    'two names': (['spam', 'Ham'], 'binary', ('Ham', 'spam')),
    'a positive word': (['bueno', 'zzz'], 'binary', ('zzz', 'bueno')),
    'a negative word': (['wonderful', 'awful'], 'binary', ('awful', 'wonderful')),
    'a label and its opposite': (['non-positive', 'positive'], 'binary', ('non-positive', 'positive')),
    'two numbers': ([10, 9], 'binary', ('9', '10')),
    'minus one and zero': ([0, -1], 'binary', ('-1', '0')),
    # Several classes
    'topics': (['refunds', 'Billing', 'access'], 'multiclass', ('access', 'Billing', 'refunds')),
    'with emoji': (['🍕 pizza', '🍣', '👩‍👩‍👧'], 'multiclass', ('🍕 pizza', '🍣', '👩‍👩‍👧')),
    'right to left': (['رياضة', 'סִפּוּר', 'اقتصاد'], 'multiclass', ('סִפּוּר', 'اقتصاد', 'رياضة')),
    'two forms of Unicode': ([NFC, NFD, 'Envíos', '¿Qué?'], 'multiclass', ('Envíos', 'Facturación', '¿Qué?')),
    'two cases': (['a', 'B', 'b', 'C', 'B'], 'multiclass', ('a', 'B', 'C')),
    'numbers of classes': ([0, 1.0, '+2', 10, 9], 'multiclass', ('0', '1', '2', '9', '10')),
    'codes': (['01', '02', '03', '04', '05'], 'multiclass', ('01', '02', '03', '04', '05')),
    'three sentiments': (['neutral', 'pos', 'neg'], 'multiclass', ('neg', 'neutral', 'pos')),
    'synonyms in one column': (
        ['positivo', 'pos', 'pos', 'neutro', 'negative'], 'multiclass', ('negative', 'neutro', 'pos'),
    ),
    'a list of one': ([['a'], ['b'], ['c']], 'multiclass', ('a', 'b', 'c')),
    'unlabelled words': (['a', 'b', 'c', 'unlabelled', None, '', 'N/A'], 'multiclass', ('a', 'b', 'c')),
    'numbers with words in front': (['class 1', 'class 2', 'class 3'], 'multiclass', ('class 1', 'class 2', 'class 3')),
    # Ordered classes
    'stars': ([5, '1', 3.0], 'ordinal', ('1', '3', '5')),
    'one to ten': ([1, 7, 10], 'ordinal', ('1', '7', '10')),
    'half steps': ([0.5, 3, 4.5, 5], 'ordinal', ('0.5', '3', '4.5', '5')),
    'minus one to one': (['0', '-1', '1'], 'ordinal', ('-1', '0', '1')),
    'a real minus sign': (['0', '\N{MINUS SIGN}2', '1'], 'ordinal', ('-2', '0', '1')),
    'words behind numbers': (['3 estrellas', '1 estrella', '10 estrellas'], 'ordinal',
                             ('1 estrella', '3 estrellas', '10 estrellas')),
    'of five': (['1/5', '3/5', '5/5'], 'ordinal', ('1/5', '3/5', '5/5')),
    'repeated stars': (['★★★', '★', '★★'], 'ordinal', ('★', '★★', '★★★')),
    'stars of five': (['★★★☆☆', '★☆☆☆☆', '★★☆☆☆'], 'ordinal', ('★☆☆☆☆', '★★☆☆☆', '★★★☆☆')),
    # Several labels a row
    'lists': ([['b', 'a'], ['a'], []], 'multilabel', ('a', 'b')),
    'a separator': (['b|a', 'a', 'ñ | b'], 'multilabel', ('a', 'b', 'ñ')),
    'lists of numbers': ([[2, 10], [1.0], None], 'multilabel', ('1', '2', '10')),
    'lists of pandas': (["['b', 'a']", "['it''s']", '[]'], 'multilabel', ('a', 'b', 'its')),
}  # fmt: skip


@pytest.mark.parametrize(('labels', 'kind', 'classes'), KINDS.values(), ids=KINDS)
def test_kind_and_classes_are_found_whatever_the_order_of_the_rows(tmp_path, labels, kind, classes):
    assert found(tmp_path, labels, each=80) == (kind, classes)
    assert found(tmp_path, labels[::-1], each=80) == (kind, classes)


@pytest.mark.parametrize('column', ['Stars', 'user_rating', 'puntuación', 'Calificaciones', 'starRating'])
def test_numbers_in_a_column_named_as_a_rating_are_ordered(tmp_path, column):
    assert found(tmp_path, [0, 1, 2], column) == ('ordinal', ('0', '1', '2'))
    assert found(tmp_path, [0, 1, 2], 'topic')[0] == 'multiclass'


def test_a_column_that_is_label_and_rating_is_ordered_and_its_ratings_are_the_places_of_the_classes(tmp_path):
    checked = check(tmp_path, [0, 1, 4], rating_column='label')
    assert checked.config.label_kind == 'ordinal'
    rows = [*read_data(file_of(tmp_path, [0, 1, 4]), checked.config)]
    assert {row.label: row.rating for row in rows} == {0: -1.0, 1: -0.5, 2: 1.0}


SET = {
    'another kind': ([1, 2, 5], {'label_kind': 'multiclass'}, ('multiclass', ('1', '2', '5'))),
    'numbers of classes in order': ([0, 1, 2], {'label_kind': 'ordinal'}, ('ordinal', ('0', '1', '2'))),
    'no lists': (['a|b', 'c'], {'label_kind': 'multiclass'}, ('multiclass', ('a|b', 'c'))),
    'another separator': (['a;b', 'c|d'], {'label_separator': ';'}, ('multilabel', ('a', 'b', 'c|d'))),
    'two of several': (['a', 'b'], {'label_kind': 'multilabel'}, ('multilabel', ('a', 'b'))),
    'an order': (
        ['low', 'high', 'medium'],
        {'label_kind': 'ordinal', 'classes': ('low', 'medium', 'high')},
        ('ordinal', ('low', 'medium', 'high')),
    ),
    'the positive class': (['ham', 'spam'], {'classes': ('spam', 'ham')}, ('binary', ('spam', 'ham'))),
    'names for synonyms': (
        ['pos', 'neg', 'neu'], {'classes': ('positive', 'neutral', 'negative')},
        ('multiclass', ('positive', 'neutral', 'negative')),
    ),
    'stars of sentiment': (
        [1, 2, 3, 4, 5],
        {'positive_labels': ('4', '5'), 'negative_labels': ('1', '2'), 'unlabelled_labels': ('3',)},
        ('binary', SENTIMENT),
    ),
    'labels that are none': (['a', 'b', 'c', '?'], {'unlabelled_labels': ('?',)}, ('multiclass', ('a', 'b', 'c'))),
    'neither': ([-1, 0, 1], {'unlabelled_labels': ('0',)}, ('binary', SENTIMENT)),
}  # fmt: skip


@pytest.mark.parametrize(('labels', 'settings', 'expected'), SET.values(), ids=SET)
def test_what_is_set_wins(tmp_path, labels, settings, expected):
    assert found(tmp_path, labels, **settings) == expected


def test_a_resolved_configuration_stays_as_it_is(tmp_path):
    for labels in ([1, 2, 5], ['a', 'b', 'c'], ['pos', 'neg'], [['a', 'b'], ['c']], ['ham', 'spam']):
        checked = check(tmp_path, labels)
        again = check_data(file_of(tmp_path, labels), checked.config)
        assert again.config == checked.config
        assert again.summary == checked.summary
        assert again.remark == ''


REFUSED = {
    'one class': (['billing'], {}, "all 40 labelled rows are 'billing'; a classifier needs at least two classes"),
    'more than a thousand': ([*range(1100)], {'each': 2}, 'more than 1,000 labels'),
    'just more than a thousand': ([*range(1001)], {'each': 2}, 'more than 1,000 labels'),
    'texts': (
        [f'a long review of the film number {number}' for number in range(30)],
        {'each': 1},
        "line 1: .* is not a label; .*it seems to contain texts: name the columns with --text-column",
    ),
    'words without an order': (
        ['low', 'high', 'mid'], {'label_kind': 'ordinal'},
        "are not numbers, so their order is unknown: 'high', 'low', 'mid'; .*--set data.classes=low,medium,high",
    ),
    'a label of no class': (
        ['a', 'b', 'ñ'], {'classes': ('a', 'b')},
        r"'ñ' in column 'label' is not one of data.classes \(a, b\); .*data.unlabelled_labels",
    ),
    'a class without rows': (
        ['a', 'b'], {'classes': ('a', 'b', 'c')}, 'no row is labelled c, which data.classes names',
    ),
    'several labels of one': (
        ['x', ['a', 'b'], 'y'], {'label_kind': 'multiclass'},
        r'line 2: the row does not have one label, as data.label_kind=multiclass needs \(40 rows do not\)',
    ),
    'more than two of binary': (['a', 'b', 'c'], {'label_kind': 'binary'}, 'is not one of the labels; '),
    'ratings of topics': (
        ['a', 'b', 'c'], {'rating_column': 'text'}, 'must be different columns',
    ),
    'words beside a zero': (['neg', 0, 'pos'], {}, "'neg' and '0' in column 'label' would all be negative"),
}  # fmt: skip


@pytest.mark.parametrize(('labels', 'settings', 'message'), REFUSED.values(), ids=REFUSED)
def test_labels_that_make_no_sense_are_refused_in_one_line(tmp_path, labels, settings, message):
    with pytest.raises((DataError, ValueError), match=message) as caught:
        check(tmp_path, labels, **settings)
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_measured_numbers_are_to_be_rounded(tmp_path):
    with pytest.raises(
        DataError, match=r'have one row each, .*; round the numbers to a few levels, or use such rows'
    ):
        check(tmp_path, [f'{number / 7:.3f}' for number in range(60)], 'score', each=1)


def test_a_thousand_classes_are_read(tmp_path):
    checked = check(tmp_path, range(1000), each=10)
    assert checked.config.classes == tuple(map(str, range(1000)))
    line = checked.summary.lines()[1]
    assert line.startswith('1,000 classes: 0 10 · 1 10 · ')
    assert len(line) < 300


def test_ratings_of_classes_without_an_order_are_refused(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('text,label,stars\n' + ''.join(f'text {n},{"abc"[n % 3]},0.5\n' for n in range(90)))
    with pytest.raises(
        DataError, match=r"the labels in column 'label' have no order \(multiclass\); leave data"
    ):
        check_data(DataFiles((str(path),)), DataConfig(rating_column='stars'))


def lines_of(tmp_path, labels, **settings):
    checked = check(tmp_path, labels, **settings)
    return checked.summary.lines(checked.remark)


def test_the_labels_are_said_in_one_line(tmp_path):
    assert lines_of(tmp_path, ['b', 'a', 'a ', 'C'])[1] == '3 classes: a 80 · b 40 · C 40'
    assert lines_of(tmp_path, ['b', 'a', None, 'c'], each=41)[1] == (
        '3 classes: a 41 · b 41 · c 41; 41 rows without a label are used as text only'
    )
    assert lines_of(tmp_path, [0, 1, 2])[1] == (
        '3 classes: 0 40 · 1 40 · 2 40; if they have an order, as stars do: --set data.label_kind=ordinal'
    )
    assert lines_of(tmp_path, [1, 3, 5])[1] == (
        '3 ordered classes: 1 40 · 3 40 · 5 40; if they have no order: --set data.label_kind=multiclass'
    )
    assert lines_of(tmp_path, ['a|b', 'a', 'c|b|a', '[]'])[1] == (
        '3 classes, several labels per row (1.5 on average): a 120 · b 80 · c 40; '
        '120 rows do not have one label; if all should: --set data.label_kind=multiclass'
    )
    assert lines_of(tmp_path, ['ham', 'spam', 'spam '])[1] == (
        '2 classes: spam 80 · ham 40; the positive class is spam; for the other one: --set data.classes=spam,ham'
    )
    assert lines_of(tmp_path, ['pos', 'neg'])[1] == 'labels: negative 40, positive 40'
    assert lines_of(tmp_path, [1, 3, 5], label_kind='ordinal')[1] == '3 ordered classes: 1 40 · 3 40 · 5 40'


def test_the_proposed_change_of_the_positive_class_works_when_it_is_pasted(tmp_path):
    labels = ["it's, so so", 'ok?']
    *_, option = lines_of(tmp_path, labels)[1].partition('--set ')
    assert option == '\'data.classes=["ok?", "it\'"\'"\'s, so so"]\''


@pytest.mark.parametrize('seed', range(3))
def test_the_name_of_a_class_is_its_most_frequent_spelling(tmp_path, seed):
    labels = ['Ñandú', 'ñandú', 'ñandú', 'ÑANDÚ', 'x', 'Y', 'y', 'z']
    random.Random(seed).shuffle(labels)
    assert found(tmp_path, labels)[1] == ('x', 'Y', 'z', 'ñandú')


def test_a_class_of_one_row_is_named_and_can_be_left_out(tmp_path):
    path = tmp_path / 'a.csv'
    rows = [f'text {n},{"abc"[n % 3]}' for n in range(90)] + [
        'once,rare',
        'twice,pair',
        ' TWICE,pair',
        'more,Once',
    ]
    path.write_text('\n'.join(['text,label', *rows]) + '\n')
    files = DataFiles((str(path),))
    with pytest.raises(
        DataError,
        match=r'the classes Once, pair, rare have one row each, and a class needs several; .*min_class_rows=2',
    ):
        check_data(files, DataConfig())
    checked = check_data(files, DataConfig(min_class_rows=2))
    assert checked.config.classes == ('a', 'b', 'c')
    assert checked.summary.unlabelled == 3
    # Two classes that are left are binary.
    path.write_text(
        '\n'.join(['text,label', *rows[:3], *(f'{row} of two' for row in rows if row.endswith('a'))])
    )
    path.write_text('text,label\n' + ''.join(f'text {n},{"ab"[n % 2]}\n' for n in range(80)) + 'once,rare\n')
    assert check_data(files, DataConfig(min_class_rows=2)).config.label_kind == 'binary'


def test_one_row_says_where_it_is(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('text,label\nonce,Rare\n' + ''.join(f'text {n},{"abc"[n % 3]}\n' for n in range(90)))
    with pytest.raises(
        DataError, match=r'the class Rare has one row \(a.csv, line 2\), and a class needs several'
    ):
        check_data(DataFiles((str(path),)), DataConfig())


def test_a_rare_class_is_warned_about_once_with_the_setting_that_helps(tmp_path):
    path = tmp_path / 'a.csv'
    labels = ['a'] * 1000 + ['b'] * 1000 + ['c'] * 12 + ['d'] * 14
    path.write_text('text,label\n' + ''.join(f'text {n},{label}\n' for n, label in enumerate(labels)))
    files = DataFiles((str(path),))
    checked = check_data(files, DataConfig())
    warnings = list_warnings(checked.summary, checked.config, files)
    assert warnings[0] == (
        'warning: a.csv: 2 of 4 classes have fewer than 41 of 2,026 labelled rows, too few to learn from: c 12, d 14; '
        'to give all classes the same weight: --set training.class_weight=balanced; '
        'to use such rows as text only: --set data.min_class_rows=41'
    )
    # What it proposes works.
    assert check_data(files, DataConfig(min_class_rows=41)).config.classes == ('a', 'b')
    # Of several classes, one may be missing from a held-out split.
    assert all("' has no row of " in warning for warning in warnings[1:])


def test_many_equal_classes_are_not_called_rare(tmp_path):
    checked = check(tmp_path, [f'topic {number}' for number in 'abcdefghijklmnopqrstuvwxyz'], each=60)
    warnings = list_warnings(checked.summary, checked.config, file_of(tmp_path, ['a']))
    assert not any('too few' in line for line in warnings)


def test_rows_of_every_kind_get_the_indices_of_their_classes(tmp_path):
    def labels(values, **settings):
        checked = check(tmp_path, values, **settings)
        rows = [row.label for row in read_data(file_of(tmp_path, values), checked.config)]
        return rows[: len(values)]

    assert labels(['c', 'a', None, 'B', 'b', 'n/a']) == [2, 0, None, 1, 1, None]
    assert labels([['c', 'a'], [], None, 'B', ['b', 'B'], [None, 'a'], ['none']]) == [
        (0, 2), (), None, (1,), (1,), (0,), None,
    ]  # fmt: skip
    assert labels(['c|a', '|', None, 'B', ' b | a ', '["a", "c"]']) == [
        (0, 2),
        None,
        None,
        (1,),
        (0, 1),
        (0, 2),
    ]
    assert labels([5, '1.0', '+3', None]) == [2, 0, 1, None]


def test_lists_come_from_every_format(tmp_path):
    labels = [['ñ', 'a'], ['b'], [], None]
    expected = [(0, 2), (1,), (), None]
    for name in ('a.jsonl', 'a.parquet'):
        files = file_of(tmp_path, labels, name)
        checked = check_data(files, DataConfig())
        assert checked.config.classes == ('a', 'b', 'ñ')
        assert [row.label for row in read_data(files, checked.config)][:4] == expected
    path = tmp_path / 'a.ft.txt'
    path.write_text(''.join(
        f'__label__ñ __label__a text {n}\n__label__b other\u00a0{n}\nno label {n}\n' for n in range(40)
    ))  # fmt: skip
    files = DataFiles((str(path),))
    checked = check_data(files, DataConfig())
    assert (checked.config.label_kind, checked.config.classes) == ('multilabel', ('a', 'b', 'ñ'))
    rows = list(itertools.islice(read_data(files, checked.config), 3))
    assert [(row.text, row.label) for row in rows] == [
        ('text 0', (0, 2)), ('other\u00a00', (1,)), ('no label 0', None),
    ]  # fmt: skip


def test_of_rows_with_one_text_the_classes_of_most_are_kept(tmp_path):
    path = tmp_path / 'a.csv'
    repeated = 'same,x\nSAME,b\nsame,y\nsame,B\nother,a\nother,c\n'
    path.write_text('text,label\n' + repeated + ''.join(f'text {n},{"abcxy"[n % 5]}\n' for n in range(90)))
    summary = check_data(DataFiles((str(path),)), DataConfig()).summary
    assert (summary.duplicates, summary.conflicting) == (4, 3)
    assert summary.conflicting_by_class == {'a': 0, 'b': 0, 'c': 1, 'x': 1, 'y': 1}
    assert 'dropped: 4 duplicates (3 with another label: c 1, x 1, y 1)' in summary.lines()
