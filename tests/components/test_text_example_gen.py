"""From a file to examples, on Beam."""

import json
import os
import random

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that, equal_to
from executor_runs import BEAM_ARGS, read_split, run
from tfx.components.example_gen import utils
from tfx.types import artifact_utils

from vaiven.components.text_example_gen import driver, executor
from vaiven.components.text_example_gen.check import check_file
from vaiven.components.text_example_gen.component import TextExampleGen
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.executor import unpack_config
from vaiven.components.text_example_gen.rows import SPLITS, Row, identity
from vaiven.components.text_example_gen.transforms import Kept, RemoveDuplicates

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
        kept = p | beam.Create(rows) | RemoveDuplicates()
        assert_that(
            kept,
            equal_to([
                (identity('a film'), Kept(Row(2, 'A film', 1), {None: 1, 1: 1, 0: 1})),
                (identity('otra'), Kept(Row(4, 'otra', 0), {0: 2})),
            ]),
        )  # fmt: skip


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ingest')
    path = write(folder / 'reseñas [1].csv', content())
    return path, run(TextExampleGen(path, CONFIG), folder / 'out')['examples']


def test_the_component_and_the_check_before_it_count_the_same(made):
    path, examples = made
    summary = json.loads(artifact_file(examples, 'ingest.json'))
    expected = check_file(path, CONFIG)
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
    again = run(TextExampleGen(path, CONFIG), tmp_path / 'out')['examples']
    for split in SPLITS:
        name = f'Split-{split}/data_tfrecord-00000-of-00001.gz'
        with open(f'{examples.uri}/{name}', 'rb') as first, open(f'{again.uri}/{name}', 'rb') as second:
            assert first.read() == second.read()


def test_many_shards_hold_the_same_rows(made, tmp_path, monkeypatch):
    path, examples = made
    monkeypatch.setattr(executor, '_SHARD_BYTES', 4000)
    sharded = run(TextExampleGen(path, CONFIG), tmp_path)['examples']
    assert len(list((tmp_path / 'examples/Split-unlabelled').iterdir())) > 2
    for split in SPLITS:
        texts = [{row['text'] for row in read_split(artifact, split)} for artifact in (examples, sharded)]
        assert texts[0] == texts[1]


def test_a_split_without_rows_has_a_file(tmp_path):
    text = content().replace('فيلم,,,ar,\n', '')
    examples = run(TextExampleGen(write(tmp_path / 'a.csv', text), CONFIG), tmp_path / 'out')['examples']
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
        run(TextExampleGen(write(tmp_path / 'a.csv', text), CONFIG), tmp_path / 'out')


def test_a_file_that_has_gone_is_told(tmp_path):
    with pytest.raises(DataError, match='there is no such file'):
        run(TextExampleGen(str(tmp_path / 'gone.csv'), CONFIG), tmp_path / 'out')


def test_the_configuration_reaches_the_executor_as_json():
    component = TextExampleGen('/data/reviews.csv', CONFIG)
    assert unpack_config(component.exec_properties['custom_config']) == CONFIG


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
