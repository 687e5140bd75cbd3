"""What is checked before a run starts."""

import os

import pytest

from vaiven.errors import UserError
from vaiven.pipeline.config import configure
from vaiven.pipeline.input_data import find_data


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / 'reviews.csv'
    path.write_text('text,label\n' + ''.join(f'good {n},pos\nbad {n},neg\n' for n in range(60)))
    return str(path)


def test_behavioural_tests_are_checked_before_a_run_and_found_from_another_folder(
    reviews, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'own.csv').write_text('test,text,label\nours,not bad,positivo\n')
    config = configure(settings=['evaluation.behaviour_file=own.csv'])
    assert find_data([reviews], (), config).config.evaluation.behaviour_file == str(tmp_path / 'own.csv')
    (tmp_path / 'own.csv').write_text('test,text,label\nours,not bad,5 stars\n')
    with pytest.raises(UserError, match=r"own\.csv, line 2: '5 stars' is not one of the labels of the model"):
        find_data([reviews], (), config)
    os.remove('own.csv')
    with pytest.raises(UserError, match='cannot read'):
        find_data([reviews], (), config)


def test_negated_words_are_marked_only_where_a_negation_turns_the_label(reviews, tmp_path):
    assert find_data([reviews], (), configure()).config.text.scope == 4
    topics = tmp_path / 'topics.csv'
    kinds = ('football', 'chess', 'tennis')
    topics.write_text(
        'text,label\n' + ''.join(f'about {kind} {n},{kind}\n' for n in range(60) for kind in kinds)
    )
    assert find_data([str(topics)], (), configure()).config.text.scope == 0
    assert find_data([str(topics)], (), configure(settings=['text.negation_scope=2'])).config.text.scope == 2
