import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.export import token_sentiment
from vaiven.models.export.token_sentiment import token_sentiment as per_token_sentiment
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import all_tokens

TEXTS = ['a wonderful film', '', '¿una película horrible, señor?', 'niño 👍🏽 שלום']


@pytest.fixture(scope='module')
def served(trained):
    return tf.saved_model.load(trained.folder).signatures


def values_of(served, *texts: str) -> list[list[tuple[str, float]]]:
    answer = {
        name: value.numpy() for name, value in served['sentiment_course'](text=tf.constant(texts)).items()
    }
    pairs = [
        (token.decode(), probability)
        for token, probability in zip(answer['tokens'], answer['probabilities'], strict=True)
    ]
    ends = np.cumsum(answer['row_lengths'])
    assert ends[-1] == len(pairs)
    return [pairs[end - length : end] for end, length in zip(ends, answer['row_lengths'], strict=True)]


def decisions_and_scores(served, *texts: str) -> list[float]:
    return served['serving_default'](text=tf.constant(texts))['probability'].numpy().tolist()


def test_each_prefix_of_a_text_gets_the_sentiment_of_a_whole_text(served):
    first, empty, spanish, others = values_of(served, *TEXTS)
    assert [token for token, _ in first] == ['a', 'wonderful', 'film']
    assert [token for token, _ in spanish] == ['¿', 'una', 'película', 'horrible', ',', 'señor', '?']
    assert empty == []
    assert [token for token, _ in others][-1] == 'שלום'
    np.testing.assert_allclose(
        [probability for _, probability in first],
        decisions_and_scores(served, 'a', 'a wonderful', 'a wonderful film'),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        [row[-1][1] for row in (first, spanish, others)],
        decisions_and_scores(served, *(text for text in TEXTS if text)),
        atol=1e-6,
    )


def test_one_text_and_a_batch_get_the_same_values(served):
    together = values_of(served, *TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        (alone,) = values_of(served, text)
        assert [token for token, _ in alone] == [token for token, _ in row]
        np.testing.assert_allclose([p for _, p in alone], [p for _, p in row], atol=1e-6)


def test_a_model_of_characters_gets_one_value_per_character():
    def share_of_a(text: tf.Tensor) -> tf.Tensor:
        left = tf.strings.length(tf.strings.regex_replace(text, 'a', ''))
        return 1 - tf.cast(left, tf.float32) / tf.cast(tf.strings.length(text), tf.float32)

    config = TextConfig(unit='character')
    tokens, found = per_token_sentiment(all_tokens(tf.constant(['aba', '']), config), config, share_of_a)
    assert tokens.to_list() == [[b'a', b'b', b'a'], []]
    assert found.to_list() == [[1.0, 0.5, pytest.approx(2 / 3)], []]


@pytest.mark.parametrize('max_tokens', [1, 256])
def test_longer_texts_than_the_limit_are_refused_whatever_max_tokens_is(monkeypatch, max_tokens):
    def tokens_of(text: str) -> tf.RaggedTensor:
        config = TextConfig(max_tokens=max_tokens)
        tokens = all_tokens(tf.constant([text, 'a']), config)
        return per_token_sentiment(tokens, config, lambda text: tf.zeros(tf.shape(text)))[0]

    monkeypatch.setattr(token_sentiment, 'MAX_TOKENS', 2)
    assert tokens_of('a b').to_list() == [[b'a', b'b'], [b'a']]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match='per-token sentiment takes texts of at most 2 tokens'
    ):
        tokens_of('a b c')
