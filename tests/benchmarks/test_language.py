"""The division of the novels, and the windows and bits of our character model."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.language import HELD_OUT, VALIDATION, divide

pytestmark = pytest.mark.slow


def test_whole_novels_are_held_out() -> None:
    names = [*HELD_OUT, *VALIDATION, 'A', 'B']
    corpus = divide({name: f'De  {name}\nTexto ' * 50 for name in names}, held_out_characters=60)
    assert [text.split()[1] for text in corpus.train] == ['a', 'b']
    assert [len(text) for text in corpus.held_out] == [60] * len(HELD_OUT)
    assert len(corpus.training_text(100)) <= 100
    assert not any(name.lower() in corpus.training_text(10**6) for name in (*HELD_OUT, *VALIDATION))


@pytest.fixture(scope='module')
def model():
    from benchmarks.character_model import CharacterModel
    from benchmarks.language import OURS
    from vaiven.pipeline.config import configure

    settings = (
        'network.units=16', 'network.dropout=0', 'training.batch_size=4', 'training.window=32', 'training.epochs=12',
        'training.learning_rate=0.02',
    )  # fmt: skip
    return CharacterModel.fit(configure(settings=(*OURS, *settings)), 'abc ' * 2000, 'abc ' * 50)


def test_a_text_that_repeats_itself_is_learnt(model) -> None:
    assert model.bits_per_character('abc ' * 100) < 0.3


def test_each_character_is_scored_once_wherever_windows_begin(model) -> None:
    for length in (1, 255, 256, 257, 2047, 2048, 2049, 4100):
        assert model.surprisal(('abc ' * 1100)[:length]).shape == (length,)


def test_bits_do_not_depend_on_what_comes_later(model) -> None:
    text = 'abc ' * 100
    whole, part = (model.surprisal(t) for t in (text + 'cccc', text))
    np.testing.assert_allclose(whole[: len(part)], part, atol=1e-4)


def test_nothing_is_read_before_the_begin_of_a_text(model) -> None:
    from benchmarks.character_model import to_ids

    text = 'bc a' * 40
    states, _ = model.network.read_window('forward', tf.constant([to_ids(text, model.vocabulary)[:-1]]), None)
    known = tf.nn.log_softmax(model.network.token_logits(model.network.project('forward', states)))[0]
    bits = -tf.gather(known, to_ids(text, model.vocabulary)[1:], batch_dims=1).numpy() / np.log(2)
    np.testing.assert_allclose(model.surprisal(text), bits, atol=1e-4)


def test_a_character_never_seen_costs_its_name(model) -> None:
    assert model.bits_per_character('ñ') > 20


def test_a_model_that_keeps_learning_predicts_a_new_text_better(model) -> None:
    from vaiven.models.language.config import AdaptationConfig

    text = 'cba ' * 300
    static = model.bits_per_character(text)
    assert model.adapted_bits_per_character(text) < static - 0.3
    assert model.adapted_bits_per_character(text, AdaptationConfig(learning_rate=0)) == pytest.approx(
        static, abs=1e-4
    )
