"""Folds that leak nothing, and figures with their spread."""

import json
import math

import pytest

from benchmarks import report
from benchmarks.corpora import Review, groups_of
from benchmarks.folds import folds, for_choosing

ROWS = [Review(f'text {i}', [0, 1, None][i % 3] if i % 7 else 1, f'film {i % 40}') for i in range(200)]


def test_each_labelled_row_is_tested_on_exactly_once() -> None:
    tested = [row for fold in folds(ROWS, 5, seed=1) for row in fold.test]
    assert sorted(tested) == sorted(row for row in ROWS if row.label is not None)


def test_no_group_lies_in_two_parts_of_a_fold() -> None:
    for fold in folds(ROWS, 5, seed=1):
        test, validation = set(groups_of(fold.test)), set(groups_of(fold.validation))
        learnt = set(groups_of([*fold.train, *fold.unlabelled]))
        assert fold.validation
        assert test.isdisjoint(validation | learnt)
        assert validation.isdisjoint(learnt)


def test_rows_without_a_label_are_text_only() -> None:
    for fold in folds(ROWS, 5, seed=1):
        assert all(row.label is None for row in fold.unlabelled)
        assert all(row.label is not None for part in (fold.train, fold.validation, fold.test) for row in part)


def test_the_seed_fixes_the_folds() -> None:
    assert list(folds(ROWS, 4, seed=3)) == list(folds(ROWS, 4, seed=3))
    assert list(folds(ROWS, 4, seed=3)) != list(folds(ROWS, 4, seed=4))


def test_settings_are_chosen_on_other_rows_than_those_that_are_measured_on() -> None:
    for fold in folds(ROWS, 5, seed=1):
        chosen = for_choosing(fold, seed=1)
        assert chosen.test == fold.validation
        assert sorted([*chosen.train, *chosen.validation]) == sorted(fold.train)
        parts = [set(groups_of([*part])) for part in (chosen.test, chosen.validation, chosen.train)]
        assert parts[1]
        assert parts[0].isdisjoint(parts[1] | parts[2])
        assert parts[1].isdisjoint(parts[2] | set(groups_of(chosen.unlabelled)))


def test_the_paired_test_is_that_over_differences() -> None:
    figures = report.paired([0.8, 0.9, 0.85], [0.7, 0.9, 0.8])
    assert figures['mean'] == pytest.approx(0.05)
    # t = 0.05 / (0.05 / √3) = √3 with 2 degrees of freedom: p = 1 − √(3/5).
    assert figures['p'] == pytest.approx(1 - math.sqrt(0.6))


@pytest.mark.parametrize(('ours', 'theirs'), [([0.8], [0.7]), ([0.5, 0.75], [0.25, 0.5])])
def test_a_test_that_is_not_defined_has_no_p(ours: list[float], theirs: list[float]) -> None:
    assert report.paired(ours, theirs)['p'] is None


def test_the_result_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    report.conclude({'benchmark': 'x', 'accuracy': report.spread([0.1 + 0.2])})
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed['accuracy'] == {'mean': 0.3, 'sd': None, 'values': [0.3]}
    assert {'versions', 'machine'} <= set(printed)


def test_each_step_of_the_ablation_has_the_settings_of_those_above_it_and_the_default_is_among_them() -> None:
    from benchmarks.sentiment_ablation import PLAIN, STEPS, with_those_above
    from vaiven.pipeline.config import configure

    settings = dict(with_those_above(STEPS))
    assert settings['+ language loss'] == (
        'network.token_dropout=0.2',
        'network.dropout=0.4',
        'training.language_weight=0.1',
    )
    default = configure('reviews', (*PLAIN, *settings['+ negations and names (the default)']))
    assert (default.network, default.training) == (
        configure('reviews').network,
        configure('reviews').training,
    )
