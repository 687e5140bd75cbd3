import logging

import numpy as np
import pytest

from tests.models.rows import ngrams_of, write_rows
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.training.stacking import shrunk, stack_paths

pytestmark = pytest.mark.slow

TEXTS = [[5, 8], [6, 9], [5, 5, 9], [6, 6, 8], [7]]
LABELS = [1, 0, 1, 0, -1]


def combined(folder, wide_ngrams: int, labels=LABELS, held_labels=LABELS) -> Network:
    network = Network(NetworkConfig(units=4, embedding_size=4, wide_ngrams=wide_ngrams), 12, seed=1)
    network(np.array([[2, 3]]))
    train, held = write_rows(folder / 'a.gz', TEXTS, labels), write_rows(folder / 'b.gz', TEXTS, held_labels)
    stack_paths(network, [train], [held], batch_size=2, soft_labels=0.0)
    return network


def wide_logits(network: Network, *texts: list[int]) -> list[float]:
    return [float(network.wide(np.array([ngrams_of(text)]))[0]) for text in texts]


def test_the_wide_path_learns_which_word_is_which(tmp_path):
    network = combined(tmp_path, 64)
    good, bad = wide_logits(network, [5], [6])
    assert good > 0 > bad
    assert network.combination[1] > 0


def test_finally_the_wide_path_is_fitted_to_the_validation_rows_as_well(tmp_path):
    equal, swapped = [1, 0, 1, 0, -1], [0, 1, 1, 0, -1]
    same, different = (combined(tmp_path, 64, equal, held) for held in (equal, swapped))
    assert wide_logits(same, [8, 5])[0] > wide_logits(different, [8, 5])[0]


def test_the_wide_path_learns_a_little_from_a_teacher(tmp_path):
    train, held = (write_rows(tmp_path / name, TEXTS, LABELS) for name in ('a.gz', 'b.gz'))
    shares = [[0.02, 0.98], [0.98, 0.02]] * 20
    taught = write_rows(tmp_path / 'c.gz', [[10], [11]] * 20, [-1] * 40, probabilities=shares)

    def logits(weight: float) -> list[float]:
        network = Network(NetworkConfig(units=4, embedding_size=4, wide_ngrams=64), 12, seed=1)
        network(np.array([[2, 3]]))
        files = {'teacher_files': [taught], 'teacher_weight': weight} if weight else {}
        stack_paths(network, [train], [held], batch_size=2, soft_labels=0.0, **files)
        return wide_logits(network, [5], [6], [10], [11])

    alone, little, much = logits(0), logits(0.1), logits(10)
    assert alone[2] == alone[3]
    assert 0 < little[2] - little[3] < much[2] - much[3]
    for good, bad, *_ in (alone, little, much):
        assert good > bad


def test_without_a_wide_path_its_weight_is_zero(tmp_path):
    recurrent, wide, bias = np.array(combined(tmp_path, 0).combination)
    assert wide == 0
    assert recurrent != 1  # calibrated
    assert np.isfinite(bias)


@pytest.mark.parametrize(
    ('label', 'said'),
    [(1, 'labels of one class only (positive)'), (0, 'of one class only (negative)'), (-1, 'no labels')],
)
def test_rows_of_one_class_or_none_change_nothing_and_a_line_reports_it(label, said, tmp_path, caplog):
    caplog.set_level(logging.INFO, 'vaiven.progress')
    for split, rows in (('training', {'labels': [label] * 5}), ('validation', {'held_labels': [label] * 5})):
        caplog.clear()
        network = combined(tmp_path, 64, **rows)
        assert np.array(network.combination).tolist() == [1.0, 0.0, 0.0]
        assert not np.array(network.wide.table).any()
        (line,) = caplog.messages
        assert line.startswith(f'no wide path and no calibration: the {split} rows have ')
        assert line.endswith(said)


def test_without_a_wide_path_there_is_no_calibration_where_a_class_is_missing(tmp_path, caplog):
    caplog.set_level(logging.INFO, 'vaiven.progress')
    combined(tmp_path, 0, held_labels=[1] * 5)
    assert caplog.messages == ['no calibration: the validation rows have labels of one class only (positive)']


def test_the_combination_isshrunk_to_the_wide_path_until_the_loss_is_above_noise() -> None:
    both, wide_alone = np.array([0.8, 0.6, 0.1]), np.array([0.0, 1.0, 0.2])

    def loss(combination: np.ndarray) -> float:
        return 40 * float(((combination - both) ** 2).sum())

    distance = loss(wide_alone)
    assert np.array_equal(shrunk(both, wide_alone, loss, distance + 0.1), wide_alone)
    found = shrunk(both, wide_alone, loss, distance / 4)
    assert np.allclose(found, (both + wide_alone) / 2, atol=2e-3)
    assert loss(found) <= distance / 4
    assert np.allclose(shrunk(both, wide_alone, loss, 0.0), both, atol=2e-3)
