import logging
import math

import pytest

from tests.models.rows import VOCABULARY, labelled_texts, write_rows
from vaiven.configuration import ConfigError
from vaiven.models.data.trainer_inputs import TrainerInputs
from vaiven.models.training import tuning
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.tuning import RandomSearchTuner, search_space
from vaiven.models.training.tuning_config import TuningConfig

pytestmark = pytest.mark.slow

NETWORK = {'cell': 'simple_rnn', 'bidirectional': False, 'units': 4, 'embedding_size': 4, 'wide_ngrams': 0}
TRAINING = {
    'learning_rate': 0.01,
    'epochs': 1,
    'batch_size': 32,
    'language_weight': 0.1,
    'softmax_candidates': 0,
}


@pytest.fixture
def inputs(tmp_path) -> TrainerInputs:
    rows = write_rows(tmp_path / 'rows.gz', *labelled_texts(64))
    values = {'network': NETWORK, 'training': TRAINING, 'text': {}, 'tuning': {'trials': 3}}
    return TrainerInputs(values, '', VOCABULARY, (rows,), (rows,))


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, 'vaiven.progress')
    return lambda: [record.getMessage() for record in caplog.records if record.name == 'vaiven.progress']


def search(inputs, folder, trials=3) -> RandomSearchTuner:
    made = RandomSearchTuner(inputs, trials, str(folder))
    made.search()
    return made


def loss_by_rate(monkeypatch, loss) -> list[float]:
    """Trains nothing: the validation loss is a function of the rate. Gives the rates that are tried."""
    tried: list[float] = []

    def train(network, training, vocabulary, train_files, eval_files, *, labels, callbacks, **_):
        tried.append(training.learning_rate)
        for epoch, value in enumerate((loss(training.learning_rate) + 1, loss(training.learning_rate))):
            callbacks[0].on_epoch_end(epoch, {'loss': 9.0, 'val_sentiment_loss': value})

    monkeypatch.setattr(tuning, 'train', train)
    return tried


def best_of(made: RandomSearchTuner) -> dict:
    return made.get_best_hyperparameters()[0].values


def test_real_trainings_are_compared_by_their_validation_loss(inputs, tmp_path, lines):
    made = search(inputs, tmp_path / 'trials', 2)
    scores = [trial.score for trial in made.oracle.trials.values()]
    assert all(0 < score < 2 for score in scores)
    assert scores[0] != scores[1]
    trial_lines = [line for line in lines() if line.startswith('trial')]
    assert trial_lines[0].startswith('trial 1/2: training.learning_rate 0.01, network.units 4, ')
    assert trial_lines[1] == f'trial 1/2: validation loss {scores[0]:.4f}'
    assert lines()[-1].startswith('the best of 2 trials: training.learning_rate')
    assert not list((tmp_path / 'trials').iterdir())


def test_the_first_trial_has_the_settings_as_they_are_and_the_lowest_loss_wins(inputs, tmp_path, monkeypatch):
    tried = loss_by_rate(monkeypatch, lambda rate: abs(math.log(rate / 0.02)))
    best = best_of(search(inputs, tmp_path, 8))
    assert tried[0] == 0.01
    assert len(set(tried)) == 8
    assert best['training.learning_rate'] == min(tried, key=lambda rate: abs(math.log(rate / 0.02)))


def test_every_trial_is_a_valid_configuration(inputs):
    space = search_space(inputs)
    for seed in range(50):
        values = {setting.name: setting.random_sample(seed) for setting in space.space}
        tuned = inputs.with_settings(values)
        assert 0.0025 <= tuned.training.learning_rate <= 0.04
        assert tuned.network.units in (2, 4, 8)


@pytest.mark.parametrize(('units', 'tried'), [(1, [1, 2]), (6, [3, 6, 12]), (16_384, [8192, 16_384])])
def test_only_valid_numbers_of_units_are_tried(units, tried):
    inputs = TrainerInputs({'network': {'units': units}, 'training': TRAINING}, '', (), (), ())
    (choice,) = (setting for setting in search_space(inputs).space if setting.name == 'network.units')
    assert choice.values == tried


def test_the_language_task_is_tuned_without_the_settings_of_sentiment(inputs):
    values = {**inputs.values, 'training': {**TRAINING, 'task': 'language'}}
    names = {setting.name for setting in search_space(TrainerInputs(values, '', (), (), ())).space}
    assert 'network.dropout' in names
    assert not names & {'network.head_dropout', 'training.language_weight'}


def test_the_best_settings_are_written_into_the_configuration(inputs):
    tuned = inputs.with_settings({'training.learning_rate': 0.03, 'network.units': 8})
    assert (tuned.training.learning_rate, tuned.network.units, tuned.training.epochs) == (0.03, 8, 1)
    assert tuned.values['tuned'] == {'training.learning_rate': 0.03, 'network.units': 8}
    assert inputs.training.learning_rate == 0.01
    assert tuned.fingerprint() != inputs.fingerprint()


def killed_in_its_third_trial(inputs, tmp_path, monkeypatch) -> list[float]:
    """The rates that a search of five trials had tried by then."""

    def killed(rate):
        if len(tried) == 3:
            raise KeyboardInterrupt
        return rate

    tried = loss_by_rate(monkeypatch, killed)
    with pytest.raises(KeyboardInterrupt):
        search(inputs, tmp_path, 5)
    return tried


def test_a_killed_search_resumes_with_its_trial(inputs, tmp_path, monkeypatch):
    tried = killed_in_its_third_trial(inputs, tmp_path, monkeypatch)
    again = loss_by_rate(monkeypatch, lambda rate: rate)
    best = best_of(search(inputs, tmp_path, 5))
    assert again[0] == tried[2]
    assert len(again) == 3
    assert best['training.learning_rate'] == min(tried + again)


@pytest.mark.parametrize('setting', ['training.learning_rate', 'training.clip_norm'])
def test_a_search_with_other_recovery_settings_takes_no_trial_of_the_killed_one(
    setting, inputs, tmp_path, monkeypatch
):
    killed_in_its_third_trial(inputs, tmp_path, monkeypatch)
    tried = loss_by_rate(monkeypatch, lambda rate: rate)
    other = inputs.with_settings({setting: 0.5})
    search(other, tmp_path, 5)
    assert (tried[0], len(tried)) == (other.training.learning_rate, 5)


def test_a_trial_with_a_nan_loss_loses(inputs, tmp_path, monkeypatch, lines):
    def loss(rate):
        if rate > 0.0101:
            raise TrainingError('the loss is NaN or infinite at step 3 of epoch 1')
        return 1 / rate

    tried = loss_by_rate(monkeypatch, loss)
    best = best_of(search(inputs, tmp_path, 8))
    assert best['training.learning_rate'] == max(rate for rate in tried if rate <= 0.0101)
    assert max(tried) > 0.0101
    assert any('failed: the loss is NaN or infinite' in line for line in lines())


def test_if_all_trials_fail_there_is_one_line(inputs, tmp_path, monkeypatch):
    def loss(rate):
        raise TrainingError('no number')

    loss_by_rate(monkeypatch, loss)
    with pytest.raises(TrainingError, match='all 4 trials failed'):
        search(inputs, tmp_path, 4)


def test_an_error_that_settings_cannot_avoid_ends_the_search(inputs, tmp_path, monkeypatch):
    def loss(rate):
        raise OSError('no space left on the device')

    tried = loss_by_rate(monkeypatch, loss)
    with pytest.raises(Exception, match='no space left'):
        search(inputs, tmp_path, 4)
    assert len(tried) == 1


def test_an_impossible_number_of_trials_is_refused():
    with pytest.raises(ConfigError, match=r'tuning\.trials must lie between 0 and 1000'):
        TuningConfig(-1)
