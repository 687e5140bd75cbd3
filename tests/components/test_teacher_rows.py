"""Files of `--teacher`: texts with the probabilities of another model, in a split for training only."""

import gzip
import json

import pyarrow
import pytest
from pyarrow import parquet

from tests.components.executor_runs import read_split, run
from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.component import TextExampleGen
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_teacher

SENTIMENT = DataConfig()
TOPICS = DataConfig(label_kind='multiclass', classes=('ñ', 'B', 'c'))


def write(path, content):
    path.write_text(content, encoding='utf-8')
    return str(path)


def jsonl(path, rows):
    return write(path, ''.join(f'{json.dumps(row)}\n' for row in rows))


def probabilities(path, config=SENTIMENT):
    return [row.probabilities for row in read_teacher(path, config)]


def test_jsonl_and_csv_of_vaiven_predict_are_read_for_two_classes(tmp_path):
    lines = [
        {'text': 'fine', 'label': 'positive', 'probability': 0.75},
        {'text': 'dull', 'label': 'negative', 'probability': 0.25, 'probabilities': {'negative': 0.5, 'positive': 0.5}},
    ]  # fmt: skip
    assert probabilities(jsonl(tmp_path / 'a.jsonl', lines)) == [(0.25, 0.75), (0.5, 0.5)]
    path = tmp_path / 'a.csv.gz'
    path.write_bytes(gzip.compress(b'label,probability,text\npositive,0.750000,"fine, really"\n'))
    assert next(read_teacher(str(path), SENTIMENT)).text == 'fine, really'
    assert probabilities(str(path)) == [(0.25, 0.75)]
    columns = write(
        tmp_path / 'b.csv', 'label,probability,text,Neg,pos\npositive,0.625,fine,0.25,0.75\nnegative,,dull,0.75,0.25\n'
    )  # fmt: skip
    assert probabilities(columns) == [(0.375, 0.625), (0.75, 0.25)]


def test_probabilities_of_several_classes_come_as_an_object_or_as_a_column_for_each_class(tmp_path):
    rows = [{'text': 'x', 'label': 'c', 'score': 0.5, 'probabilities': {'Ñ': 0.25, 'c': 0.5, 'b': 0.25}}]
    assert probabilities(jsonl(tmp_path / 'a.jsonl', rows), TOPICS) == [(0.25, 0.25, 0.5)]
    table = write(tmp_path / 'a.tsv', 'label\tscore\ttext\tc\tñ\tB\nc\t0.5\tx\t0.5\t0.25\t0.25\n')
    assert probabilities(table, TOPICS) == [(0.25, 0.25, 0.5)]
    typed = pyarrow.Table.from_pylist([{'text': 'x', 'B': 0.25, 'c': 0.5, 'ñ': 0.25}])
    parquet.write_table(typed, tmp_path / 'a.parquet')
    assert probabilities(str(tmp_path / 'a.parquet'), TOPICS) == [(0.25, 0.25, 0.5)]


def test_several_labels_have_probabilities_that_need_not_sum_to_one(tmp_path):
    config = DataConfig(label_kind='multilabel', classes=('a', 'b'))
    rows = [{'text': 'x', 'label': ['a', 'b'], 'probabilities': {'a': 0.75, 'b': 0.5}}]
    assert probabilities(jsonl(tmp_path / 'a.jsonl', rows), config) == [(0.75, 0.5)]


def test_the_columns_of_the_data_are_not_those_of_the_teacher(tmp_path):
    config = DataConfig(text_column='body', label_column='stars', encoding='latin-1', delimiter=';')
    assert probabilities(write(tmp_path / 'a.csv', 'probability,text\n0.5,ñandú\n'), config) == [(0.5, 0.5)]


BAD = {
    'no probabilities': ('label,score,text\nñ,0.5,x\n', TOPICS, r'^a\.csv, line 2: a row of --teacher needs '
                         r'`probabilities`, or a column for each of the classes \(ñ, B, c\); `vaiven predict '
                         r'--probabilities --to jsonl` writes it$'),
    'a class without a column': ('text,B,c\nx,0.5,0.5\n', TOPICS, 'a column for each of the classes'),
    'one probability of three classes': ('probability,text\n0.5,x\n', TOPICS, 'has 1 probabilities, and there are 3'),
    'an empty probability': ('probability,text\n,x\n', SENTIMENT, "needs `probability` of 'positive', or a column"),
    'a word': ('probability,text\nlikely,x\n', SENTIMENT, "'likely' in column 'probability' is not"),
    'a word in the column of a class': ('text,negative,positive\nx,much,0.5\n', SENTIMENT, 'is not a list'),
    'no text': ('probability,body\n0.5,x\n', SENTIMENT, "no column is named 'text'; there are: 'probability', 'body'; "
                'rename the column with the text to text'),
    'another spelling': ('Probability,text\n0.5,x\n', SENTIMENT, 'rename it to probability'),
    'exchanged classes': ('probability,text,label\n0.9,x,negative\n0.8,y,negative\n0.1,z,negative\n', SENTIMENT,
                          r"^a\.csv: `probability` must be that of 'positive', the positive class, and the labels "
                          'beside it say the opposite'),
}  # fmt: skip


@pytest.mark.parametrize(('content', 'config', 'message'), BAD.values(), ids=BAD)
def test_what_is_no_prediction_is_refused(tmp_path, content, config, message):
    with pytest.raises(DataError, match=message):
        probabilities(write(tmp_path / 'a.csv', content), config)


def test_text_files_are_refused():
    for path in ('/a.txt', '/a.ft.txt.gz'):
        with pytest.raises(DataError, match=r'a file of --teacher needs probabilities beside the texts'):
            DataFiles(('/a.csv',), teacher=(path,))


@pytest.fixture
def data(tmp_path):
    rows = [
        {'text': f'{word} film\nnumber {n}', 'label': label}
        for n in range(50)
        for label, word in enumerate(('dull', 'fine'))
    ]
    return jsonl(tmp_path / 'data.jsonl', [*rows, {'text': 'no label', 'label': None}])


def test_labels_win_over_a_teacher_and_held_out_texts_stay_out(tmp_path, data):
    alone = run(TextExampleGen(DataFiles((data,)), SENTIMENT), tmp_path / 'alone')['examples']
    texts = {split: [row['text'] for row in read_split(alone, split)] for split in ('train', 'eval', 'test')}
    held_out = [*texts['eval'], *texts['test']]
    held_out_line = held_out[0].split('\n')[1]
    given = [
        *(text.upper() for text in held_out), held_out_line, *texts['train'][:5],
        'no  LABEL', 'new', 'NEW', 'otro', '  ', 'seen before',
    ]  # fmt: skip
    scored = jsonl(tmp_path / 'a.jsonl', [{'text': text, 'probability': 0.75} for text in given])
    files = DataFiles((data,), (write(tmp_path / 'more.txt', 'seen before\nmore'),), (scored,))
    checked = check_data(files, SENTIMENT)
    line = (
        f'teacher: {len(given)} rows; dropped: {len(held_out) + 1} equal to held-out rows, '
        '5 equal to labelled rows, 1 duplicates, 1 without text'
    )
    assert checked.summary.lines()[-1] == line

    examples = run(TextExampleGen(files, SENTIMENT), tmp_path / 'out')['examples']
    for split in ('train', 'eval', 'test'):
        assert read_split(examples, split) == read_split(alone, split)
    assert [row['text'] for row in read_split(examples, 'unlabelled')] == ['more']
    rows = read_split(examples, 'teacher')
    assert {row['text'] for row in rows} == {'no  LABEL', 'new', 'otro', 'seen before'}
    assert all(
        row.keys() == {'text', 'probabilities'} and row['probabilities'] == [0.25, 0.75] for row in rows
    )
    assert examples.get_int_custom_property('teacher') == 4
    with open(f'{examples.uri}/ingest.json', encoding='utf-8') as file:
        summary = json.load(file)
    assert summary['teacher'] == dict(checked.summary.teacher)
    # The counts of the data do not know the teacher.
    assert summary['splits'] == checked.summary.splits
    assert (summary['rows'], summary['unlabelled'], summary['duplicates']) == (103, 1, 2)


def test_without_a_teacher_there_is_no_such_split(tmp_path, data):
    examples = run(TextExampleGen(DataFiles((data,)), SENTIMENT), tmp_path / 'out')['examples']
    assert 'teacher' not in examples.split_names
    assert not (tmp_path / 'out/examples/Split-teacher').exists()


def test_a_teacher_of_nothing_new_is_refused(tmp_path, data):
    scored = write(tmp_path / 'a.csv', 'text,probability\n"fine film\nnumber 1",0.5\n')
    with pytest.raises(
        DataError, match=r'--teacher: no row has a text that is not in --data. Received: teacher: 1 r'
    ):
        check_data(DataFiles((data,), teacher=(scored,)), SENTIMENT)
