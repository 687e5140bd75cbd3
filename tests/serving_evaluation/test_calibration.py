"""Whether probabilities mean what they say."""

import numpy as np
import pytest

from vaiven.serving.evaluation.calibration import bin_probabilities, calibration_error


def error(probabilities, labels) -> float:
    return calibration_error(bin_probabilities(np.array(probabilities), np.array(labels)))


def test_probabilities_that_come_true_as_often_as_they_say_have_no_error():
    assert error([0.75] * 4 + [0.0, 1.0], [1, 1, 1, 0, 0, 1]) == pytest.approx(0)


def test_each_row_counts_with_the_gap_of_its_bin():
    assert error([0.9] * 5 + [0.1] * 15, [1] * 5 + [1] * 5 + [0] * 10) == pytest.approx(
        (5 * 0.1 + 15 * (1 / 3 - 0.1)) / 20
    )


def test_too_high_and_too_low_within_a_bin_level_out():
    assert error([0.42, 0.48, 0.45, 0.45], [0, 1, 1, 0]) == pytest.approx(0.05)


def test_no_rows_have_no_error():
    assert error([], []) == 0
