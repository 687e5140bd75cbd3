"""From a file to examples, on Beam."""

import json
import os
import random

import apache_beam as beam
import pyarrow
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that, equal_to
from executor_runs import BEAM_ARGS, read_split, run
from pyarrow import parquet
from tfx.components.example_gen import utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from vaiven.components.text_example_gen import driver, executor
from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.component import TextExampleGen
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.executor import unpack_config
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.output_names import OutputNames
from vaiven.components.text_example_gen.rows import SPLITS, Row, text_fingerprint
from vaiven.components.text_example_gen.transforms import DeduplicatedRow, RemoveDuplicates
from vaiven.configuration import ConfigError

pytestmark = pytest.mark.slow

CONFIG = DataConfig(group_column='film', language_column='lang', rating_column='rating')


def content(rows=200):
    lines = ['text,label,film,lang,rating']
    for number in range(rows):
        word, label = [('bonita', 'positivo'), ('mala', 'negativo')][number % 2]
        lines.append(f'Una película {word} número {number},{label},film {number // 4},es,0.5')
    lines += [
        'Que\u0301 👩‍👩‍👧,positivo,,,',
        '"una  PELÍCULA bonita\nnúmero 0",negativo,,,',
        ' ,1,,,',
        'فيلم,,,ar,',
    ]
    return '\n'.join(lines) + '\n'


def write(path, text):
    path.write_text(text, encoding='utf-8')
    return str(path)


def pipeline():
    return test_pipeline.TestPipeline(options=PipelineOptions(BEAM_ARGS))


@pytest.mark.parametrize('seed', range(3))
def test_the_first_of_equal_texts_is_kept_in_whatever_order_they_come(seed):
    rows = [
        Row(1, 'a film', None),
        Row(2, 'A film', 1),
        Row(3, 'a FILM', 0),
        Row(4, 'otra', 0),
        Row(5, 'Otra', 0),
    ]
    random.Random(seed).shuffle(rows)
    with pipeline() as p:
        kept = p | beam.Create(rows) | RemoveDuplicates(DataConfig(), has_more=False)
        assert_that(
            kept,
            equal_to([
                (text_fingerprint('a film'), DeduplicatedRow(Row(2, 'A film', 1), {None: 1, 1: 1, 0: 1})),
                (text_fingerprint('otra'), DeduplicatedRow(Row(4, 'otra', 0), {0: 2})),
            ]),
        )  # fmt: skip


@pytest.mark.parametrize('seed', range(3))
def test_of_equal_texts_the_label_of_most_is_kept_with_its_first_row(seed):
    rows = [
        Row(1, 'a film', 1),
        *(Row(number, 'A film', 0) for number in range(2, 11)),
        Row(11, 'a film', None),
    ]
    random.Random(seed).shuffle(rows)
    with pipeline() as p:
        kept = p | beam.Create(rows) | RemoveDuplicates(DataConfig(), has_more=False)
        expected = DeduplicatedRow(Row(2, 'A film', 0), {None: 1, 1: 1, 0: 9})
        assert_that(kept, equal_to([(text_fingerprint('a film'), expected)]))


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ingest')
    path = write(folder / 'reseñas [1].csv', content())
    return path, run(TextExampleGen(DataFiles((path,)), CONFIG), folder / 'out')['examples']


def test_the_component_and_the_check_before_it_count_the_same(made):
    path, examples = made
    summary = json.loads(artifact_file(examples, 'ingest.json'))
    expected = check_data(DataFiles((path,)), CONFIG).summary
    assert summary == json.loads(expected.to_json())
    assert (expected.rows, expected.duplicates, expected.conflicting) == (204, 1, 1)
    assert (expected.empty, expected.unlabelled) == (1, 1)
    assert examples.get_int_custom_property('rows') == 204


def artifact_file(artifact, name):
    with open(f'{artifact.uri}/{name}', encoding='utf-8') as file:
        return file.read()


def test_every_split_is_there_and_holds_its_rows_once(made):
    _, examples = made
    assert artifact_utils.decode_split_names(examples.split_names) == list(SPLITS)
    splits = {split: read_split(examples, split) for split in SPLITS}
    summary = json.loads(artifact_file(examples, 'ingest.json'))
    for split, classes in summary['splits'].items():
        assert (
            sorted(row['label'] for row in splits[split])
            == [0] * classes['negative'] + [1] * classes['positive']
        )
    texts = [row['text'] for rows in splits.values() for row in rows]
    assert len(texts) == len(set(texts)) == 202
    assert splits['unlabelled'] == [{'text': 'فيلم', 'language': 'ar'}]
    assert 'Qué 👩‍👩‍👧' in texts


def test_a_group_is_in_one_split_and_an_empty_field_is_no_feature(made):
    _, examples = made
    groups = {}
    for split in SPLITS:
        for row in read_split(examples, split):
            if 'group' in row:
                groups.setdefault(row['group'], set()).add(split)
            else:
                assert row['text'] in ('Qué 👩‍👩‍👧', 'فيلم')
            assert row.get('rating') == (0.5 if 'group' in row else None)
    assert len(groups) == 50
    assert all(len(splits) == 1 for splits in groups.values())


def test_the_same_rows_give_the_same_bytes_and_their_order_does_not_matter(made, tmp_path):
    _, examples = made
    header, *lines = content().replace('bonita\nnúmero', 'bonita número').splitlines()
    random.Random(5).shuffle(lines)
    # The duplicate stays behind the row that it repeats.
    lines.sort(key=lambda line: 'una  PELÍCULA' in line)
    path = write(tmp_path / 'shuffled.csv', '\n'.join([header, *lines]) + '\n')
    again = run(TextExampleGen(DataFiles((path,)), CONFIG), tmp_path / 'out')['examples']
    for split in SPLITS:
        name = f'Split-{split}/data_tfrecord-00000-of-00001.gz'
        with open(f'{examples.uri}/{name}', 'rb') as first, open(f'{again.uri}/{name}', 'rb') as second:
            assert first.read() == second.read()


def test_many_shards_hold_the_same_rows(made, tmp_path, monkeypatch):
    path, examples = made
    monkeypatch.setattr(executor, '_SHARD_BYTES', 4000)
    sharded = run(TextExampleGen(DataFiles((path,)), CONFIG), tmp_path)['examples']
    assert len(list((tmp_path / 'examples/Split-unlabelled').iterdir())) > 2
    for split in SPLITS:
        texts = [{row['text'] for row in read_split(artifact, split)} for artifact in (examples, sharded)]
        assert texts[0] == texts[1]


def test_a_split_without_rows_has_a_file(tmp_path):
    text = content().replace('فيلم,,,ar,\n', '')
    examples = run(TextExampleGen(DataFiles((write(tmp_path / 'a.csv', text),)), CONFIG), tmp_path / 'out')[
        'examples'
    ]
    assert read_split(examples, 'unlabelled') == []


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('text,label,film,lang,rating\nok,1,,,\nQu', 'line 3: the row has 1 fields'),
        ('text,label,film,lang,rating\nok,1,,,\n', 'all 1 labelled rows are positive'),
    ],
)
def test_what_makes_a_file_useless_ends_the_run_with_the_same_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        run(TextExampleGen(DataFiles((write(tmp_path / 'a.csv', text),)), CONFIG), tmp_path / 'out')


def test_the_component_refuses_unclear_labels_of_all_files_with_the_line_of_the_check(tmp_path):
    def files(name, *labels):
        half = [write(tmp_path / f'{name}-{part}.csv', 'text,label\n' + ''.join(
            f'{part} {label} {n},{label}\n' for label in labels[part::2] for n in range(30)
        )) for part in (0, 1)]  # fmt: skip
        return DataFiles(tuple(half))

    config = DataConfig(label_kind='binary')
    for name, labels, start in (
        (
            'merged',
            ('pos', 'neg', 'pos', '0'),
            "2 files: 'neg' and '0' in column 'label' would all be negative by default",
        ),
        (
            'unknown',
            ('good', 'bad', 'soso', 'none'),
            "unknown-0.csv, line 2: 'good' in column 'label' is not one of",
        ),
    ):
        with pytest.raises(DataError) as checked:
            check_data(files(name, *labels), config)
        with pytest.raises(DataError) as refused:
            run(TextExampleGen(files(name, *labels), config), tmp_path / name)
        assert str(refused.value) == str(checked.value)
        assert str(refused.value).startswith(start)
        assert '--set data.positive_labels=' in str(refused.value)


def test_the_component_counts_what_the_check_counts_and_logs_it(tmp_path, caplog):
    rows = [{'text': f'text {n % 150}', 'label': int(n % 3 == 0), 'stars': n % 5} for n in range(200)]
    rows += [{'text': f'text {n}', 'stars': 2} for n in range(140, 170)] + [
        {'text': '', 'label': 1, 'stars': 0}
    ]
    halves = [
        write(tmp_path / f'{part}.jsonl', ''.join(f'{json.dumps(row)}\n' for row in rows[part::2]))
        for part in (0, 1)
    ]
    config = DataConfig(rating_column='stars', rating_range=(0.0, 4.0))
    files = DataFiles(tuple(halves))
    expected = check_data(files, config).summary
    with caplog.at_level('INFO'):
        examples = run(TextExampleGen(files, config), tmp_path / 'out')['examples']
    assert json.loads(artifact_file(examples, 'ingest.json')) == json.loads(expected.to_json())
    assert expected.columns.absent == {'label': 30}
    assert expected.columns.contradicting > 0
    assert examples.get_string_custom_property('summary') == expected.line()
    for line in expected.lines():
        assert line in caplog.messages
    assert "warning: 2 files: 30 of 231 rows have no key 'label' and are unlabelled" in caplog.messages


KINDS = {
    'multiclass': (['envíos 📦', 'דואר', 'بريد', None], [0, 1, 2, None]),
    'ordinal': ([5, 1, 3, None], [2, 0, 1, None]),
    'multilabel': ([['ñ', 'a'], [], ['b'], None], [[0, 2], -2, 1, None]),
}


@pytest.mark.parametrize(
    ('kind', 'labels', 'expected'), [(kind, *case) for kind, case in KINDS.items()], ids=KINDS
)
def test_labels_of_every_kind_become_examples_and_are_counted_as_by_the_check(
    tmp_path, kind, labels, expected
):
    rows = [{'text': f'{label} {n}', 'label': label, 'p': [1, 0, 0]} for n in range(60) for label in labels]
    rows += [{'text': 'NONE 3', 'label': labels[0]}, {'text': '', 'label': 'other'}]
    path = write(tmp_path / 'a.jsonl', ''.join(f'{json.dumps(row)}\n' for row in rows))
    files = DataFiles((path,))
    checked = check_data(files, DataConfig(probabilities_column='p'))
    assert checked.config.label_kind == kind
    examples = run(TextExampleGen(files, checked.config), tmp_path / 'out')['examples']
    assert json.loads(artifact_file(examples, 'ingest.json')) == json.loads(checked.summary.to_json())
    by_text = dict(zip(map(str, labels), expected, strict=True)) | {'NONE': expected[0]}
    for split in SPLITS:
        for row in read_split(examples, split):
            label, _, _ = row['text'].rpartition(' ')
            assert row.get('label') == by_text[label]
            assert row.get('probabilities') == (None if label == 'NONE' else [1.0, 0.0, 0.0])


def test_a_component_without_the_data_needs_the_names_of_the_classes():
    with pytest.raises(ConfigError, match=r'data\.classes must name the classes of data\.label_kind'):
        TextExampleGen(DataFiles(('/data/a.csv',)), DataConfig(label_kind='multiclass'))
    with pytest.raises(ConfigError, match=r'data\.time_column needs data\.time_boundaries'):
        TextExampleGen(DataFiles(('/data/a.csv',)), DataConfig(time_column='date'))
    TextExampleGen(DataFiles(('/data/a.csv',)), DataConfig(label_kind='multiclass', classes=('a', 'b', 'c')))


@pytest.mark.parametrize(
    'settings', [{'split_column': 'part'}, {'time_column': 'day'}], ids=['column', 'time']
)
def test_splits_of_ones_own_become_the_splits_of_the_examples(tmp_path, settings):
    names = ['train', 'train', 'dev', 'test', 'train', '']
    days = [f'2026-03-{1 + n // 6:02}' if n % 6 else None for n in range(120)]
    rows = [
        {'text': f'text {n}', 'label': n // 6 % 2, 'part': names[n % 6], 'day': day}
        for n, day in enumerate(days)
    ]
    rows += [{**row, 'text': row['text'].upper(), 'part': 'test', 'day': '2026-04-01'} for row in rows[:9]]
    path = write(tmp_path / 'a.jsonl', ''.join(f'{json.dumps(row)}\n' for row in rows))
    files = DataFiles((path,))
    checked = check_data(files, DataConfig(**settings))
    examples = run(TextExampleGen(files, checked.config), tmp_path / 'out')['examples']
    assert json.loads(artifact_file(examples, 'ingest.json')) == json.loads(checked.summary.to_json())
    test = {row['text'] for row in read_split(examples, 'test')}
    assert {f'text {n}' for n in range(9)} <= test
    assert checked.summary.unlabelled > 0


def test_a_file_that_has_gone_is_told(tmp_path):
    with pytest.raises(DataError, match='no such file'):
        run(TextExampleGen(DataFiles((str(tmp_path / 'gone.csv'),)), CONFIG), tmp_path / 'out')


def test_the_configuration_reaches_the_executor_as_json():
    component = TextExampleGen(DataFiles(('/data/reviews.csv',)), CONFIG)
    assert unpack_config(component.exec_properties['custom_config']) == (CONFIG, OutputNames())


def test_the_fingerprint_follows_the_content_and_not_the_time(tmp_path):
    def fingerprint():
        processor = driver.ContentDriver(None).get_input_processor(
            utils.make_default_input_config('a.csv').splits, None, str(tmp_path)
        )
        return processor.get_input_fingerprint(*processor.resolve_span_and_version())

    write(tmp_path / 'a.csv', 'one')
    first = fingerprint()
    os.utime(tmp_path / 'a.csv', (1, 1))
    assert fingerprint() == first
    write(tmp_path / 'a.csv', 'two')
    os.utime(tmp_path / 'a.csv', (1, 1))
    assert fingerprint() != first


def test_passages_are_divided_without_labels_and_keep_their_place(tmp_path):
    line = 'Aquel día llegó el viajero número {} a la posada del «Sur», y preguntó por la niña.'
    paths = []
    for name, numbers in (('b.txt', range(300)), ('a.txt', range(200, 400))):
        paths.append(write(tmp_path / name, '\r\n'.join(line.format(number) for number in numbers)))
    files, config = DataFiles(tuple(paths)), DataConfig(passage_characters=100)
    examples = run(TextExampleGen(files, config), tmp_path / 'out')['examples']
    summary = json.loads(artifact_file(examples, 'ingest.json'))
    assert summary == json.loads(check_data(files, config).summary.to_json())
    assert (summary['rows'], summary['duplicates'], summary['unlabelled']) == (500, 100, 0)
    rows = {split: read_split(examples, split) for split in SPLITS}
    assert {split: len(rows[split]) for split in ('train', 'eval', 'test')} == summary['texts']
    assert rows['unlabelled'] == []
    found = sorted((row['position'], row['text']) for split in rows.values() for row in split)
    assert found == [
        *((number + 1, line.format(number)) for number in range(300)),
        *((2**32 + number + 1, line.format(200 + number)) for number in range(100, 200)),
    ]
    assert all(set(row) == {'text', 'position'} for split in rows.values() for row in split)


@pytest.fixture
def labelled(tmp_path):
    rows = [{'text': f'{word} film\nnumber {n}', 'label': label} for n in range(50)
            for label, word in enumerate(('dull', 'fine'))]  # fmt: skip
    half = len(rows) // 2
    lines = write(tmp_path / 'a.jsonl', ''.join(f'{json.dumps(row)}\n' for row in rows[:half]))
    table = pyarrow.Table.from_pylist([*rows[half:], {'text': 'no label', 'label': None}])
    parquet.write_table(table, tmp_path / 'b.parquet')
    return lines, str(tmp_path / 'b.parquet')


def test_more_text_comes_in_without_what_the_data_has_and_without_lines_of_held_out_rows(tmp_path, labelled):
    alone = run(TextExampleGen(DataFiles(labelled), DataConfig()), tmp_path / 'alone')['examples']
    texts = {split: [row['text'] for row in read_split(alone, split)] for split in SPLITS}
    held_out = [*texts['eval'], *texts['test']]
    every_line = sorted({line for split in texts.values() for text in split for line in text.split('\n')})
    held_out_lines = {line for text in held_out for line in text.split('\n')}
    assert held_out_lines < set(every_line)

    lines = [*every_line, 'a NEW one', 'A new  one', '', 'otra más\u2028sin fin']
    more = (
        write(tmp_path / 'more.txt', '\ufeff' + '\n'.join(line.upper() for line in lines)),
        write(tmp_path / 'more.csv', 'id,text\n' + ''.join(f'1,"{text.title()}"\n' for text in held_out)),
    )
    files = DataFiles(labelled, more)
    check_data(files, DataConfig())
    examples = run(TextExampleGen(files, DataConfig()), tmp_path / 'out')['examples']
    for split in ('train', 'eval', 'test'):
        assert read_split(examples, split) == read_split(alone, split)
    rows = read_split(examples, 'unlabelled')
    expected = {line for line in every_line if line not in held_out_lines} - {'no label'}
    assert {row['text'] for row in rows} == {
        'no label', 'A NEW ONE', 'OTRA MÁS\u2028SIN FIN', *(line.upper() for line in expected),
    }  # fmt: skip
    assert all(set(row) == {'text'} for row in rows)
    summary = json.loads(artifact_file(examples, 'ingest.json'))
    assert summary['unlabelled'] == len(rows)
    assert summary['rows'] == 101 + len(lines) + len(held_out)
    assert summary['empty'] == 1
    kept = sum(sum(classes.values()) for classes in summary['splits'].values()) + len(rows)
    assert summary['duplicates'] == summary['rows'] - summary['empty'] - kept
    assert summary['conflicting'] == 0


def test_of_several_bad_files_the_first_is_told(tmp_path):
    paths = (
        write(tmp_path / 'a.csv', content()),
        write(tmp_path / 'c.csv', 'x'),
        write(tmp_path / 'b.csv', ''),
    )
    with pytest.raises(DataError, match=r'^c\.csv: no column is named'):
        run(TextExampleGen(DataFiles(paths), CONFIG), tmp_path / 'out')


def inputs(files):
    component = TextExampleGen(files, CONFIG)
    splits = json.loads(component.exec_properties['input_config'])['splits']
    return component.exec_properties['input_base'], [(split['name'], split['pattern']) for split in splits]


def test_the_files_are_named_by_their_way_from_a_common_folder():
    assert inputs(DataFiles(('/data/a [1]/b.csv', '/data/ab.csv'), ('/data/a [1]/c/d.txt',))) == (
        '/data', [('data-0', 'a [[]1]/b.csv'), ('data-1', 'ab.csv'), ('unlabelled-0', 'a [[]1]/c/d.txt')],
    )  # fmt: skip
    assert inputs(DataFiles(('gs://a/*.txt', 'gs://b/c.txt'))) == (
        'gs://', [('data-0', 'a/*.txt'), ('data-1', 'b/c.txt')],
    )  # fmt: skip
    assert inputs(DataFiles(('/a.csv',), ('/b/c.csv',))) == (
        '/', [('data-0', 'a.csv'), ('unlabelled-0', 'b/c.csv')],
    )  # fmt: skip
    with pytest.raises(DataError, match='the files must all be on this machine, or all in one store'):
        inputs(DataFiles(('/data/a.csv',), ('gs://b/c.csv',)))


def test_the_fingerprint_tells_files_of_the_same_bytes_apart(tmp_path):
    def fingerprint(*names, unlabelled=()):
        files = DataFiles(
            tuple(str(tmp_path / name) for name in names), tuple(str(tmp_path / name) for name in unlabelled)
        )
        properties = TextExampleGen(files, CONFIG).exec_properties
        parsed = proto_utils.json_to_proto(properties['input_config'], example_gen_pb2.Input())
        processor = driver.ContentDriver(None).get_input_processor(
            parsed.splits, None, properties['input_base']
        )
        return processor.get_input_fingerprint(*processor.resolve_span_and_version())

    for name, text in (('a.csv', 'one'), ('b.csv', 'two'), ('c.csv', 'one'), ('d.csv', '')):
        write(tmp_path / name, text)
    found = [
        fingerprint('a.csv', 'b.csv'),
        fingerprint('b.csv', 'a.csv'),
        fingerprint('a.csv', unlabelled=['b.csv']),
        fingerprint('a.csv', 'b.csv', unlabelled=['d.csv']),
        fingerprint('c.csv', 'b.csv'),
    ]
    assert len(set(found)) == len(found)
    write(tmp_path / 'd.csv', 'more')
    assert fingerprint('a.csv', 'b.csv', unlabelled=['d.csv']) != found[3]


def test_patterns_of_addresses_are_filled_in_by_the_step_in_the_order_of_the_names(tmp_path):
    for name in ('b.txt', 'a.txt', 'c.txt.gz', 'more.txt'):
        write(tmp_path / name, 'x' * len(name))
    inputs = example_gen_pb2.Input()
    for name, pattern in (('data-0', 'c.txt*'), ('data-1', '[ab].txt'), ('unlabelled-0', 'more.*')):
        inputs.splits.add(name=name, pattern=pattern)
    properties = {'input_base': str(tmp_path), 'input_config': proto_utils.proto_to_json(inputs)}
    files, size = executor.find_files(properties)
    assert [os.path.basename(path) for path in files.data] == ['c.txt.gz', 'a.txt', 'b.txt']
    assert [os.path.basename(path) for path in files.unlabelled] == ['more.txt']
    assert size == len('c.txt.gz' + 'a.txt' + 'b.txt' + 'more.txt')
