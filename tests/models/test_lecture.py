"""The numbers behind the lecture's page: gradients, gates, learning curves and gaps."""

import dataclasses
import gzip

import keras
import numpy as np
import pytest

from vaiven.configuration import ConfigError
from vaiven.models.lecture.candidates import fill_gap, known_word_share
from vaiven.models.lecture.config import LectureConfig
from vaiven.models.lecture.corpus import (
    CorpusError,
    Vocabulary,
    read_lines,
    read_sayings,
    split_corpus,
    words,
)
from vaiven.models.lecture.experiments import compute, example_sentence
from vaiven.models.lecture.gates import gate_activations
from vaiven.models.lecture.gradients import gradient_norms, scaled_rnn_norms
from vaiven.models.lecture.language_model import (
    Budget,
    DivergedError,
    LanguageModel,
    bits_per_token,
    frequency_bits,
    train,
    windows,
)
from vaiven.models.lecture.memory import NOISE, SYMBOLS, CopyTask, copy_accuracy, copy_rows
from vaiven.models.network.cells import recurrent_layer
from vaiven.models.network.config import CELLS

pytestmark = pytest.mark.slow

LINES = [
    f'the {noun} in the {place} .'
    for noun, place in [('cloud', 'sky'), ('fish', 'sea'), ('bread', 'oven')] * 400
]


WORDS, LONG_WORD = 'unas pocas letras ' * 100, 'letras' * 300


def layer_of(cell: str, inputs: np.ndarray, units: int = 3) -> keras.layers.Layer:
    layer = recurrent_layer(cell, units, use_cudnn=False, seed=1, name=cell)
    layer(inputs)
    rng = np.random.default_rng(2)
    for variable in layer.trainable_variables:  # peepholes start at zero
        variable.assign(variable + rng.normal(size=variable.shape) * 0.3)
    return layer


def norm_by_differences(layer, inputs: np.ndarray, distance: int, through_memory: bool) -> float:
    """The same norm for one excerpt (T, features), with each unit of the state at t moved a little to both sides."""
    units, step = layer.cell.units, 0.01

    def last(unit: int, by: float) -> np.ndarray:
        states = keras.tree.flatten(layer.cell.get_initial_state(batch_size=1))
        for number, x in enumerate(inputs):
            _, states = layer.cell(x[None], states)
            states = [np.array(state) for state in states]
            if number == len(inputs) - 1 - distance:
                if through_memory:
                    h, c = states
                    output_gate = h / np.tanh(c)
                    c[0, unit] += by
                    states = [output_gate * np.tanh(c), c]
                else:
                    states[0][0, unit] += by
        return states[0][0]

    columns = [(last(unit, step) - last(unit, -step)) / (2 * step) for unit in range(units)]
    return float(np.linalg.norm(columns) / np.sqrt(units))


@pytest.mark.parametrize('cell', CELLS)
def test_gradient_norms_agree_with_finite_differences(cell):
    inputs = np.random.default_rng(3).normal(size=(2, 5, 2)).astype('float32')
    layer = layer_of(cell, inputs)
    found = gradient_norms(layer, inputs)
    np.testing.assert_allclose(found.hidden[:, 0], 1, rtol=1e-6)
    assert (found.cell_state is not None) == ('lstm' in cell and cell != 'min_lstm')
    for excerpt, distance in [(0, 1), (1, 1), (0, 3), (1, 3)]:
        expected = norm_by_differences(layer, inputs[excerpt], distance, through_memory=False)
        assert found.hidden[excerpt, distance] == pytest.approx(expected, rel=2e-3)
        # With a peephole the output gate moves with c as well, which these differences would miss.
        if cell in ('lstm', 'coupled_lstm'):
            expected = norm_by_differences(layer, inputs[excerpt], distance, through_memory=True)
            assert found.cell_state[excerpt, distance] == pytest.approx(expected, rel=2e-3)


def test_a_smaller_recurrent_matrix_makes_gradients_vanish_and_a_larger_one_lets_them_grow():
    inputs = np.zeros((1, 12, 4), 'float32')
    half, double = scaled_rnn_norms((0.5, 2.0), 6, inputs, seed=0)
    # Without any input tanh′ is 1, and the orthogonal matrix keeps every length.
    np.testing.assert_allclose(half[0], 0.5 ** np.arange(12), rtol=1e-4)
    np.testing.assert_allclose(double[0], 2.0 ** np.arange(12), rtol=1e-4)


@pytest.mark.parametrize('cell', ['lstm', 'peephole_lstm', 'coupled_lstm', 'peephole_coupled_lstm'])
def test_gates_lie_between_0_and_1_and_give_the_layer_s_own_states(cell):
    inputs = np.random.default_rng(4).normal(size=(1, 7, 2)).astype('float32')
    layer = layer_of(cell, inputs)
    gates = gate_activations(layer, inputs[0])
    for name in ('f', 'i', 'o'):
        assert gates[name].shape == (7, 3)
        assert 0 < gates[name].min() < gates[name].max() < 1
    np.testing.assert_allclose(gates['h'], np.array(layer(inputs))[0], atol=1e-5)
    if 'coupled' in cell:
        np.testing.assert_allclose(gates['f'] + gates['i'], 1)


@pytest.fixture(scope='module')
def text():
    return split_corpus('sky and sea', LINES, 1_000_000)


def test_a_curve_falls_below_the_frequencies_and_the_same_seed_gives_it_again(text):
    vocabulary = Vocabulary(''.join(text.training), 100)
    ids = vocabulary.encode(text.training)
    rows = windows(vocabulary.encode(text.held_out), 16, 8)
    curves = []
    for _ in range(2):
        model = LanguageModel('gru', len(vocabulary), units=16, embedding_size=8, seed=5)
        curves.append(train(model, ids, rows, Budget(60, 8, 16, 0.02, 3), seed=5))
    assert curves[0].steps == (0, 20, 40, 60)
    assert curves[0].bits[0] > curves[0].bits[1] > curves[0].bits[3]
    assert curves[0].bits[3] < frequency_bits(ids, rows, len(vocabulary))
    assert curves[0].bits == curves[1].bits


def test_a_training_that_no_longer_improves_stops_and_keeps_the_best_weights(text):
    vocabulary = Vocabulary(''.join(text.training), 100)
    ids = vocabulary.encode(text.training)
    rows = windows(
        np.random.default_rng(0).permutation(ids), 16, 8
    )  # what is learnt makes these less probable
    model = LanguageModel('gru', len(vocabulary), units=16, embedding_size=8, seed=5)
    curve = train(model, ids, rows, Budget(300, 8, 16, 0.02, 20), seed=5, patience=2)
    assert len(curve.steps) == len(curve.bits) < 20
    best = int(np.argmin(curve.bits))
    assert best == len(curve.bits) - 3
    assert bits_per_token(model, rows) == pytest.approx(curve.bits[best], rel=1e-6)


def test_a_row_of_the_copy_task_has_one_symbol_at_its_delay_and_ends_in_the_question():
    delays = np.array([1, 5, 30])
    rows, symbols = copy_rows(delays, 31, np.random.default_rng(0))
    assert rows.shape == (3, 31)
    assert (rows[:, -1] == SYMBOLS + NOISE).all()
    for row, symbol, delay in zip(rows, symbols, delays, strict=True):
        assert np.flatnonzero(row < SYMBOLS).tolist() == [30 - delay]
        assert row[30 - delay] == symbol


def test_a_gated_cell_learns_to_remember_one_symbol_and_an_untrained_one_guesses():
    task = CopyTask(
        units=16, steps=150, batch_size=32, max_delay=5, measured_delays=(1, 5), measured_rows=400
    )
    assert min(copy_accuracy('gru', task, seed=0)) > 0.9
    untrained = copy_accuracy('gru', dataclasses.replace(task, steps=1), seed=0)
    assert max(untrained) < 0.3


def test_the_sayings_of_a_fortune_file_are_one_line_each(tmp_path):
    path = tmp_path / 'refranes.u8'
    path.write_text(
        'A quien madruga,\n   Dios le ayuda.\n%\n%\nMás vale tarde\nque nunca.\n', encoding='utf-8'
    )
    assert read_sayings(str(path)) == ['A quien madruga, Dios le ayuda.', 'Más vale tarde que nunca.']


def test_a_nan_loss_stops_the_training(text):
    vocabulary = Vocabulary(''.join(text.training), 100)
    ids = vocabulary.encode(text.training)
    model = LanguageModel('simple_rnn', len(vocabulary), units=4, embedding_size=4, seed=0)
    model.softmax.bias.assign(np.full(len(vocabulary), np.nan))
    with pytest.raises(DivergedError, match='step 0'):
        train(model, ids, windows(ids, 8, 2), Budget(2, 2, 8, 0.01, 1), seed=0)


def test_models_that_have_learnt_the_text_fill_its_gaps_from_both_sides(text):
    training = words(text.training)
    vocabulary = Vocabulary([word for line in training for word in line], 100)
    ids = vocabulary.encode(training)
    models = []
    for train_ids in (ids, ids[::-1]):
        model = LanguageModel('gru', len(vocabulary), units=16, embedding_size=16, seed=0)
        train(model, train_ids, windows(train_ids, 12, 4), Budget(120, 16, 12, 0.03, 1), seed=0)
        models.append(model)
    frequencies = np.bincount(ids, minlength=len(vocabulary)) / len(ids)
    nouns, places = {'cloud', 'fish', 'bread'}, {'sky', 'sea', 'oven'}
    filled = fill_gap('The … in the sky .', vocabulary, *models, frequencies, 3)
    assert {word for word, _ in filled.forward} == nouns
    assert filled.backward[0][0] in nouns
    assert filled.both[0][0] == 'cloud'
    open_ended = fill_gap('the zebra in the …', vocabulary, *models, frequencies, 3)
    assert {word for word, _ in open_ended.forward} == places
    assert open_ended.unknown == ('zebra',)
    assert open_ended.backward == open_ended.both == ()


def test_a_sentence_of_another_language_has_few_known_words(text):
    vocabulary = Vocabulary([word for line in words(text.training) for word in line], 100)
    assert known_word_share('the cloud is in the …', vocabulary) == 0.8
    assert known_word_share('las nubes están en el …', vocabulary) == 0


def test_every_tenth_passage_is_held_out_and_a_long_text_is_truncated(text):
    assert len(text.held_out) == 120
    assert len(text.training) == 1080
    assert not text.is_truncated
    short = split_corpus('cut', LINES * 2, 25_000)
    assert short.is_truncated
    assert 20_000 < short.characters < 26_000


def test_a_text_in_one_line_is_split_as_well():
    one = split_corpus('book', [' '.join(LINES)], 1_000_000)
    assert len(one.held_out) >= 1
    assert max(map(len, one.training)) <= 2000


def test_the_sentence_of_the_heat_maps_is_a_whole_one():
    assert example_sentence(['Too short. It is a sentence of forty characters or more.', 'x']) == (
        'It is a sentence of forty characters or more.'
    )


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (b'a\0b', 'NUL'),
        (b'caf\xe9', 'byte 4 is not UTF-8'),
        (gzip.compress(b'a text' * 100, mtime=0)[:-9], 'not a complete gzip file'),
    ],
)
def test_a_file_that_is_not_text_is_refused(tmp_path, content, said):
    path = tmp_path / 'text'
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=said):
        read_lines(str(path))


def test_missing_files_directories_and_short_texts_are_refused(tmp_path):
    with pytest.raises(CorpusError, match='does not exist'):
        read_lines(str(tmp_path / 'none'))
    with pytest.raises(CorpusError, match='directory'):
        read_lines(str(tmp_path))
    with pytest.raises(CorpusError, match='Received: 6 in 1'):
        split_corpus('note', ['a text'], 1000)


@pytest.mark.parametrize(
    ('lines', 'said'),
    [
        # Every tenth line is a short one.
        (
            (['x' * 99] * 9 + ['y']) * 30,
            'more than 100 characters in the held-out part.*Received: 90; provide',
        ),
        (([WORDS] * 9 + [LONG_WORD]) * 2, 'more than 60 words in the held-out part.*Received: 6; provide'),
        (([LONG_WORD] * 9 + [WORDS]) * 2, 'more than 121 words in the training part.*Received: 54; provide'),
    ],
)
def test_a_text_that_is_too_short_for_a_window_is_refused_before_anything_is_trained(lines, said):
    text = split_corpus('lines', lines, 1_000_000)
    with pytest.raises(CorpusError, match=said):
        compute([text], LectureConfig(distance=100, word_window=60))


def test_a_gzipped_text_is_read(tmp_path):
    path = tmp_path / 'text.gz'
    path.write_bytes(gzip.compress('uno\ndós\n'.encode()))
    assert read_lines(str(path)) == ['uno', 'dós']


@pytest.mark.parametrize(
    'wrong', [{'seed': -1}, {'cells': ('transformer',)}, {'cells': ()}, {'units': 0}, {'learning_rate': 0.0}]
)
def test_invalid_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        LectureConfig(**wrong)
