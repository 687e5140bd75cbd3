"""The inputs of the demonstration come from the test split."""

import pytest

from vaiven.components.text_example_gen.files import find_local_files
from vaiven.components.text_example_gen.reading import read_data
from vaiven.components.text_example_gen.rows import assign_split, text_fingerprint
from vaiven.pipeline.config import configure
from vaiven.pipeline.demo_inputs import DEFAULT_DEMO_INPUTS, held_out_demo_inputs
from vaiven.pipeline.input_data import find_data


@pytest.fixture
def book(tmp_path):
    path = tmp_path / 'libro.txt'
    path.write_text('\n'.join(f'Párrafo {n} de la niña: ¿qué pasó?' for n in range(200)), encoding='utf-8')
    return find_local_files([str(path)])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / 'rows.csv'
    rows = [f'text number {n} is what it is,{"positive" if n % 2 else "negative"}' for n in range(200)]
    path.write_text('\n'.join(['text,label', *rows]), encoding='utf-8')
    return find_local_files([str(path)])


def test_the_prompts_of_unlabelled_text_are_an_empty_one_and_prefixes_of_held_out_passages(book):
    config = configure('novel', ['data.passage_characters=100'])
    inputs = held_out_demo_inputs(book, config)
    assert not inputs.texts
    assert not inputs.prefixes
    assert inputs.prompts[0] == ''
    assert 2 <= len(inputs.prompts) <= 4
    held_out = [row.text for row in read_data(book, config.data) if in_test(row, config)]
    for prompt in inputs.prompts[1:]:
        assert len(prompt.split()) == 3
        assert any(text.startswith(prompt) for text in held_out)


def in_test(row, config) -> bool:
    return assign_split(row, text_fingerprint(row.text), config.data) == 'test'


def test_labelled_rows_give_texts_of_both_classes_with_their_labels(table):
    config = configure('reviews')
    inputs = held_out_demo_inputs(table, config)
    assert sorted(inputs.labels) == ['negative'] * 3 + ['positive'] * 3
    assert len(inputs.prefixes) == 3
    assert not inputs.prompts
    held_out = {row.text for row in read_data(table, config.data) if in_test(row, config)}
    assert set(inputs.texts) <= held_out


@pytest.mark.parametrize(
    ('labels', 'shown'),
    [
        (['ñ', 'b', 'a'], {'ñ', 'b', 'a'}),
        (['b|a', 'a', '[]'], {'', 'a', 'a|b'}),
        ([f'topic {number}' for number in range(40)], 6),
    ],
    ids=['three classes', 'several labels', 'forty classes'],
)
def test_labels_of_other_kinds_give_texts_of_several_classes_with_the_names(tmp_path, labels, shown):
    path = tmp_path / 'rows.csv'
    rows = [f'text number {n} is what it is,{labels[n % len(labels)]}' for n in range(800)]
    path.write_text('\n'.join(['text,label', *rows]), encoding='utf-8')
    config, files, _ = find_data([str(path)], (), configure('reviews'))
    inputs = held_out_demo_inputs(files, config)
    if isinstance(shown, int):
        assert len(set(inputs.labels)) == len(inputs.labels) == shown
        assert set(inputs.labels) <= set(labels)
    else:
        assert set(inputs.labels) == shown
        assert len(inputs.texts) == 6


def test_a_language_model_of_labelled_rows_gets_prompts_only(table):
    config = configure('reviews', ['training.task=language', 'text.max_tokens=2000'])
    inputs = held_out_demo_inputs(table, config)
    assert inputs.prompts[1:] != ()
    assert not inputs.texts


def test_the_default_data_has_inputs_for_every_task():
    assert DEFAULT_DEMO_INPUTS['sentiment'].texts
    assert DEFAULT_DEMO_INPUTS['language'].prompts
