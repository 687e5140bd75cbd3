"""The planted faults are as large as they are said to be."""

import pytest

from benchmarks.rollout_models import KINDS, NOISE, of_accuracy, rows


def test_the_stable_version_is_right_on_all_rows_but_the_noise() -> None:
    made = rows(20_000)
    assert len({text for text, _ in made}) == 20_000
    right = [label == ('positive' if text.startswith('good') else 'negative') for text, label in made]
    assert sum(right) / len(right) == pytest.approx(1 - NOISE, abs=0.01)


def test_so_many_flips_cost_so_many_points() -> None:
    flipped = of_accuracy(3)
    right = 1 - NOISE
    assert right - ((1 - flipped) * right + flipped * NOISE) == pytest.approx(0.03)
    assert KINDS['less_accurate'].flipped == flipped
    assert KINDS['stable'] != KINDS['good']
