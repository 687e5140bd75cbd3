"""What is asked after a run, of data that the model never learned from."""

import pytest

from vaiven.components.text_example_gen.files import found
from vaiven.components.text_example_gen.reading import read_data
from vaiven.components.text_example_gen.rows import identity, split_of
from vaiven.pipeline.config import configure
from vaiven.pipeline.demo_inputs import DEFAULT_QUESTIONS, held_out_questions


@pytest.fixture
def book(tmp_path):
    path = tmp_path / 'libro.txt'
    path.write_text('\n'.join(f'Párrafo {n} de la niña: ¿qué pasó?' for n in range(200)), encoding='utf-8')
    return found([str(path)])


@pytest.fixture
def table(tmp_path):
    path = tmp_path / 'rows.csv'
    rows = [f'text number {n} is what it is,{"positive" if n % 2 else "negative"}' for n in range(200)]
    path.write_text('\n'.join(['text,label', *rows]), encoding='utf-8')
    return found([str(path)])


def test_of_running_text_held_out_begins_are_written_on_and_one_text_from_nothing(book):
    config = configure('novel', ['data.passage_characters=100'])
    questions = held_out_questions(book, config)
    assert not questions.texts
    assert not questions.prefixes
    assert questions.begins[0] == ''
    assert 2 <= len(questions.begins) <= 4
    held_out = [row.text for row in read_data(book, config.data) if in_test(row, config)]
    for begin in questions.begins[1:]:
        assert len(begin.split()) == 3
        assert any(text.startswith(begin) for text in held_out)


def in_test(row, config) -> bool:
    return split_of(row, identity(row.text), config.data) == 'test'


def test_of_labelled_rows_both_classes_are_asked_with_their_answers(table):
    config = configure('reviews')
    questions = held_out_questions(table, config)
    assert sorted(questions.expected) == ['negative'] * 3 + ['positive'] * 3
    assert len(questions.prefixes) == 3
    assert not questions.begins
    held_out = {row.text for row in read_data(table, config.data) if in_test(row, config)}
    assert set(questions.texts) <= held_out


def test_a_language_model_of_labelled_rows_is_asked_to_write(table):
    config = configure('reviews', ['training.task=language', 'text.max_tokens=2000'])
    questions = held_out_questions(table, config)
    assert questions.begins[1:] != ()
    assert not questions.texts


def test_there_are_questions_for_every_task_without_data_of_ones_own():
    assert DEFAULT_QUESTIONS['sentiment'].texts
    assert DEFAULT_QUESTIONS['language'].begins
