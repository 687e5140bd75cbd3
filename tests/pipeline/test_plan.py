"""What `vaiven plan` says about labels, ratings and dropped rows, and which files it refuses."""

import csv
import itertools
import json
import re
import shlex

import pyarrow
import pytest
from pyarrow import parquet

from vaiven.pipeline import cli


@pytest.fixture
def plan(tmp_path, capsys):
    """Runs the command; gives the exit status and the lines that it printed, settings left out."""

    def ran(path, *arguments):
        status = cli.run(['plan', '--data', str(path), '--root', str(tmp_path / 'root'), *arguments])
        captured = capsys.readouterr()
        lines = (captured.out.partition('\nroot ')[2] + captured.err).splitlines()
        return status, [line for line in lines if line]

    return ran


def table(path, *columns, header=('text', 'label')):
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))
    return path


def labelled(path, *labels, each=50):
    """A table in which each label has as many rows."""
    rows = [(f'text {number} {label}', label) for number in range(each) for label in labels]
    return table(path, *zip(*rows, strict=True))


def objects(path, rows):
    path.write_text(''.join(f'{json.dumps(row)}\n' for row in rows), encoding='utf-8')
    return path


def refused(result, *words):
    status, lines = result
    assert status == 2, lines
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    return lines[0]


def pasted(line):
    """The options at the end of a message, as a shell reads them."""
    return shlex.split(
        line[line.index('--set data.') if '--set data.' in line else line.index("--set 'data.") :]
    )


# Labels, and of each class those that the proposed command names.
TOGETHER = {
    'a zero beside words': (('negative', '0', 'positive'), {'positive': 1, 'negative': 1}),
    'Spanish words and a zero': (('negativo', '0', 'positivo'), {'positive': 1, 'negative': 1}),
    'numbers and words': (('0', '1', 'neg', 'pos'), {'positive': 2, 'negative': 2}),
    'false beside minus one': (('false', '-1', '1'), {'positive': 1, 'negative': 2}),
}
# The same of labels that are classes of their own, unless `binary` is asked for.
OTHER = {
    'minus one, zero and one': (('-1', '0', '1'), {'positive': 1, 'negative': 1}),
    'a neutral word': (('Positive', 'neutral', 'NEGATIVE'), {'positive': 1, 'negative': 1}),
    'stars': (('1', '2', '3', '4', '5'), {'positive': 2, 'negative': 2}),
    'stars with a word': (
        ('1 star', '2 stars', '3 stars', '4 stars', '5 stars'),
        {'positive': 2, 'negative': 2},
    ),
    'of TASS': (('P+', 'P', 'NEU', 'N', 'N+'), {'positive': 2, 'negative': 2}),
    'of Sentiment140': (('0', '2', '4'), {'positive': 1, 'negative': 1}),
    'with commas and quotes': (("it's good, yes", 'bad, "no"', 'so, so'), {'positive': 1, 'negative': 1}),
    'opposites of words': (('like', 'unlike', 'favorable', 'desfavorable'), {'positive': 1, 'negative': 2}),
    'three unknown words': (('uno', 'dos', 'tres'), {'positive': 1, 'negative': 1}),
}


@pytest.mark.parametrize(('labels', 'classes'), (TOGETHER | OTHER).values(), ids=TOGETHER | OTHER)
def test_unclear_labels_are_all_shown_with_a_command_that_works_when_it_is_pasted(
    tmp_path, plan, labels, classes
):
    path = labelled(tmp_path / 'a.csv', *labels, '', each=60)
    binary = ('--set', 'data.label_kind=binary') if labels in [labels for labels, _ in OTHER.values()] else ()
    line = refused(plan(path, *binary), 'a.csv', *(f'{label!r} 60' for label in labels), 'no label 60')
    options = pasted(line)
    status, lines = plan(path, *options)
    assert status == 0, lines
    assert f'labels: negative {60 * classes["negative"]}, positive {60 * classes["positive"]}' in lines
    # Order does not matter either.
    pairs = [options[start : start + 2] for start in range(0, len(options), 2)]
    assert plan(path, *itertools.chain(*reversed(pairs))) == (status, lines)


def test_minus_one_zero_and_one_are_ordered_unless_zero_is_unlabelled(tmp_path, plan):
    path = labelled(tmp_path / 'a.csv', '-1', '0', '1')
    status, lines = plan(path)
    assert status == 0
    assert (
        '3 ordered classes: -1 50 · 0 50 · 1 50; if they have no order: --set data.label_kind=multiclass'
        in lines
    )
    assert 'labels: negative 50, positive 50' in plan(path, '--set', 'data.unlabelled_labels=0')[1]
    # Who wants both in one class says so.
    both = plan(path, '--set', 'data.negative_labels=0,-1')
    assert 'labels: negative 100, positive 50' in both[1]


@pytest.mark.parametrize(
    'labels',
    [
        ('0', '1'), ('-1', '1'), ('-1', '+1'), ('negative', 'positive'), ('neg', 'Negative', 'POS', 'positive'),
        ('negativo', 'positivo'), ('negative', 'negativa', 'positive', 'positivo'), ('false', 'true'),
        ('FALSO', 'VERDADERO'), ('0', '1', '0.0', '1.0'), ('false', '0', '1', 'true'),
    ],
    ids='-'.join,
)  # fmt: skip
def test_labels_of_one_scheme_need_no_setting(tmp_path, plan, labels):
    status, lines = plan(labelled(tmp_path / 'a.csv', *labels))
    assert status == 0, lines
    assert lines[1:3] == [
        lines[1], f'labels: negative {25 * len(labels)}, positive {25 * len(labels)}',
    ]  # fmt: skip


def test_of_very_many_labels_the_most_frequent_are_shown_and_the_rest_is_counted(tmp_path, plan):
    numbers = [number for number in range(40) for _ in range(100 - number)]
    path = table(tmp_path / 'a.csv', [f'text {number}' for number in range(len(numbers))], numbers)
    _, lines = plan(path)
    assert lines[2].startswith('40 classes: 0 100 · 1 99 · '), lines
    assert ' · 28 more with 61 to 88 rows; ' in lines[2]
    line = refused(
        plan(path, '--set', 'data.label_kind=binary'),
        "line 201: '2' in column 'label'",
        "'0' 100, '1' 99,",
        "'11' 89",
        'data.label_kind=multiclass',
    )
    rest = sum(100 - number for number in range(12, 40))
    assert f'and 28 others in {rest:,} rows' in line
    assert "'12'" not in line


def test_text_in_the_label_column_is_reported(tmp_path, plan):
    texts = [f'a very long review of the film number {number}' for number in range(1500)]
    path = table(tmp_path / 'a.csv', texts, ['1', '0'] * 750, header=('label', 'text'))
    line = refused(
        plan(path), 'it seems to contain texts', '--text-column', '--label-column', 'at least 1,038 others'
    )
    assert len(line) < 1000


def test_labels_of_a_megabyte_are_not_printed(tmp_path, plan):
    path = labelled(tmp_path / 'a.csv', 'x' * 100_000, '1', each=2)
    assert len(refused(plan(path), 'it seems to contain texts')) < 500


def numbers_of_pandas(path):
    return table(path.with_suffix('.csv'), *columns(['1.0', '0.0', '']))


def json_numbers(path):
    cycle = itertools.cycle([1, False, None, '1', 0.0, None, True, '0.0', '', 1.0, 0, None])
    return objects(
        path.with_suffix('.jsonl'), [{'text': f'text {n}', 'label': next(cycle)} for n in range(300)]
    )


def parquet_floats(path):
    values = [1.0, 0.0, float('nan')] * 100
    parquet.write_table(
        pyarrow.table({'text': columns(values)[0], 'label': values}), path.with_suffix('.parquet')
    )
    return path.with_suffix('.parquet')


def parquet_booleans(path):
    values = [True, False, None] * 100
    parquet.write_table(
        pyarrow.table({'text': columns(values)[0], 'label': values}), path.with_suffix('.parquet')
    )
    return path.with_suffix('.parquet')


def columns(labels):
    every = list(itertools.islice(itertools.cycle(labels), 300))
    return [f'text {number}' for number in range(300)], every


@pytest.mark.parametrize('write', [numbers_of_pandas, json_numbers, parquet_floats, parquet_booleans])
def test_numbers_are_labels_in_every_format_and_missing_values_are_unlabelled(tmp_path, plan, write):
    status, lines = plan(write(tmp_path / 'a'))
    assert status == 0, lines
    assert lines[1].endswith('unlabelled 100')
    assert lines[2] == 'labels: negative 100, positive 100'


@pytest.mark.parametrize('empty', ['', '  ', 'NaN', 'null', 'None', '<NA>'])
def test_an_empty_label_is_unlabelled_whatever_is_set(tmp_path, plan, empty):
    path = labelled(tmp_path / 'a.csv', '1', '2', '3', '4', '5', empty)
    settings = ['positive_labels=4,5', 'negative_labels=1,2', 'unlabelled_labels=3']
    status, lines = plan(
        path, *itertools.chain.from_iterable(('--set', f'data.{value}') for value in settings)
    )
    assert status == 0, lines
    assert 'labels: negative 100, positive 100' in lines
    assert lines[1].endswith('unlabelled 100')


def test_one_column_may_be_label_and_rating(tmp_path, plan):
    path = table(tmp_path / 'a.csv', *columns(['1', '2', '3', '4', '5', '', 'nan']), header=('text', 'stars'))
    tables = pyarrow.table({'text': columns([0])[0], 'stars': columns([1.0, 2.0, 3.0, 4.0, 5.0, None])[1]})
    parquet.write_table(tables, tmp_path / 'a.parquet')
    settings = [
        '--label-column', 'stars', '--set', 'data.rating_column=stars', '--set', 'data.rating_range=1,5',
        '--set', 'data.positive_labels=4,5', '--set', 'data.negative_labels=1,2', '--set', 'data.unlabelled_labels=3',
    ]  # fmt: skip
    for data in (path, tmp_path / 'a.parquet'):
        status, lines = plan(data, *settings)
        assert status == 0, lines
        assert not [line for line in lines if line.startswith('warning')]
    for part in ('language', 'group'):
        refused(
            plan(path, *settings, '--set', f'data.{part}_column=stars'),
            'only label and rating may be the same',
        )


def test_dropped_rows_are_reported_with_the_reasons(tmp_path, plan):
    texts = [*(f'text {n}' for n in range(1500)), *[' '] * 250, *(f'TEXT  {n}' for n in range(450))]
    labels = [
        *(n % 2 for n in range(1750)),
        *(n % 2 for n in range(300)),
        *(1 for _ in range(50)),
        *[0] * 100,
    ]
    status, lines = plan(table(tmp_path / 'a.csv', texts, labels))
    assert status == 0, lines
    assert lines[1:6] == [
        '2,200 rows: train 1,194, eval 149, test 157, unlabelled 0',
        'labels: negative 750, positive 750',
        'dropped: 250 without text, 450 duplicates (75 with the other label: negative 50, positive 25)',
        'warning: a.csv: 700 of 2,200 rows are dropped, 250 of them without text',
        'warning: a.csv: 75 rows have a text that other rows give the other label; the label of most rows is kept, '
        'or else the first',
    ]


def test_a_few_duplicates_are_counted_without_a_warning(tmp_path, plan):
    status, lines = plan(
        table(tmp_path / 'a.csv', [*(f't {n}' for n in range(100)), 't 0'], [0, 1] * 50 + [0])
    )
    assert status == 0, lines
    assert lines[3] == 'dropped: 1 duplicates'
    assert not [line for line in lines if line.startswith('warning')]


def keyed(share):
    """400 objects of which a share has the label under another key."""
    return [
        {'text': f'text {n}', ('sentiment' if n % 100 < 100 * share else 'label'): n // 100 % 2}
        for n in range(400)
    ]


def test_objects_that_lack_a_key_are_counted_in_a_warning(tmp_path, plan):
    status, lines = plan(objects(tmp_path / 'a.jsonl', keyed(0.5)))
    assert status == 0, lines
    assert "warning: a.jsonl: 200 of 400 rows have no key 'label' and are unlabelled" in lines
    # A null says that a row is meant to be unlabelled.
    nulls = [{'label': None, **row} for row in keyed(0.5)]
    status, lines = plan(objects(tmp_path / 'a.jsonl', nulls))
    assert status == 0
    assert not [line for line in lines if line.startswith('warning')]


def test_a_key_that_most_objects_lack_is_an_error(tmp_path, plan):
    path = objects(tmp_path / 'a.jsonl', keyed(0.6))
    refused(plan(path), "a.jsonl: 240 of 400 rows have no key 'label'", '--label-column=NAME', 'null')
    path = objects(tmp_path / 'a.jsonl', keyed(0))
    for part in ('group', 'language', 'rating'):
        setting = f'data.{part}_column=other'
        refused(
            plan(path, '--set', setting), "400 of 400 rows have no key 'other'", f'--set data.{part}_column'
        )


def test_a_column_that_is_nearly_empty_is_warned_about(tmp_path, plan):
    rows = [(f'text {n}', n % 2 if n < 150 else '', 'film' if n == 7 else '') for n in range(2000)]
    path = table(tmp_path / 'a.csv', *zip(*rows, strict=True), header=('text', 'label', 'film'))
    status, lines = plan(path, '--set', 'data.group_column=film')
    assert status == 0, lines
    assert "warning: a.csv: column 'label' is empty in 1,850 of 2,000 rows; they are unlabelled" in lines
    assert "warning: a.csv: column 'film' is empty in 1,999 of 2,000 rows; they have no group" in lines


@pytest.mark.parametrize(
    ('ratings', 'words'),
    [
        (
            (-0.5, 0.5),
            ['in 200 of 200 rows label and rating contradict each other; are data.rating_range=-1,1'],
        ),
        ((0.5, 0.5), ['in 100 of 200 rows label and rating contradict each other']),
        ((0.5, -0.5), []),
        ((0, ''), []),
    ],
)
def test_ratings_that_contradict_the_labels_are_counted(tmp_path, plan, ratings, words):
    rows = [(f'text {n}', (1, 0)[n % 2], ratings[n % 2]) for n in range(200)]
    path = table(tmp_path / 'a.csv', *zip(*rows, strict=True), header=('text', 'label', 'rating'))
    status, lines = plan(path, '--set', 'data.rating_column=rating')
    assert status == 0, lines
    warned = [line for line in lines if line.startswith('warning')]
    assert len(warned) == len(words)
    for line, word in zip(warned, words, strict=True):
        assert word in line


def test_a_class_with_very_few_rows_is_warned_about(tmp_path, plan):
    labels = ['0' if n % 66 == 0 else '1' for n in range(990)]
    status, lines = plan(table(tmp_path / 'a.csv', [f'text {n}' for n in range(990)], labels))
    assert status == 0, lines
    assert (
        'warning: a.csv: only 15 of 990 labelled rows are negative: too few to learn from; '
        'to give all classes the same weight: --set training.class_weight=balanced' in lines
    )


def test_warnings_of_the_reader_cover_both_kinds_of_files(tmp_path, plan):
    path = labelled(tmp_path / 'a.csv', '1', '0', each=100)
    with path.open('a', encoding='utf-8') as file:
        file.write('una niÃ±a,1\n')
    (tmp_path / 'more.txt').write_text('el aÃ±o pasado\n', encoding='utf-8')
    status, lines = plan(path, '--unlabelled', str(tmp_path / 'more.txt'))
    assert status == 0, lines
    [warned] = [line for line in lines if line.startswith('warning')]
    assert warned.startswith('warning: a.csv: 2 texts look like UTF-8 that was read as another encoding')
    assert warned.endswith('(first: a.csv, line 202)')


def test_the_rows_of_a_teacher_are_counted_and_those_of_the_data_left_out(tmp_path, plan):
    path = labelled(tmp_path / 'a.csv', 'neg', 'pos')
    texts = [*(row['text'] for row in csv.DictReader(path.open(encoding='utf-8'))), 'nuevo', 'NUEVO', '']
    scored = objects(tmp_path / 'b.jsonl', [{'text': text, 'probability': 0.75} for text in texts])
    status, lines = plan(path, '--teacher', str(scored))
    assert status == 0
    [line] = [line for line in lines if line.startswith('teacher')]
    counts = dict(zip(('held', 'labelled'), map(int, re.findall(r'([0-9]+) equal to', line)), strict=True))
    assert counts['held'] + counts['labelled'] == 100
    assert counts['held'] < counts['labelled']
    assert line.startswith('teacher: 103 rows; dropped: ')
    assert line.endswith(', 1 duplicates, 1 without text')
    assert any('labels: negative 50, positive 50' in line for line in lines)


def test_a_teacher_is_refused_where_there_are_no_labels(tmp_path, plan):
    scored = objects(tmp_path / 'b.jsonl', [{'text': 'x', 'probability': 0.75}])
    book = tmp_path / 'book.txt'
    book.write_text('\n'.join(f'línea {number} de un libro' for number in range(500)), encoding='utf-8')
    result = plan(book, '--preset', 'novel', '--teacher', str(scored))
    refused(result, '--teacher is for models with labels', 'training.task=language', '--unlabelled')


def test_vectors_are_named_with_their_size(plan, tmp_path):
    data, vectors = labelled(tmp_path / 'a.csv', 'good', 'bad'), tmp_path / 'glove.txt'
    vectors.write_text('good 0.5 1\nbad 1 0.5\n')
    status, lines = plan(data, '--vectors', str(vectors))
    assert status == 0
    assert 'vectors: glove.txt, 2 values each' in lines


@pytest.mark.parametrize(
    ('content', 'arguments', 'words'),
    [
        ('', (), ['glove.txt: is empty']),
        ('good', (), ['glove.txt: the first line must be a word and its values']),
        (None, (), ['there is no such file']),
        (
            'good 1 2\n',
            ('--set', 'network.embedding_size=0'),
            ['--vectors needs network.embedding_size above 0'],
        ),
    ],
)
def test_vectors_that_cannot_be_used_are_refused_before_the_run(plan, tmp_path, content, arguments, words):
    data, vectors = labelled(tmp_path / 'a.csv', 'good', 'bad'), tmp_path / 'glove.txt'
    if content is not None:
        vectors.write_text(content)
    refused(plan(data, '--vectors', str(vectors), *arguments), *words)


def test_vectors_elsewhere_are_refused(plan, tmp_path):
    data = labelled(tmp_path / 'a.csv', 'good', 'bad')
    refused(plan(data, '--vectors', 'gs://bucket/glove.txt'), '--vectors must be a path on this machine')
