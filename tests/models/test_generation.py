"""Generation with random weights: the text is meaningless, but follows the options."""

import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.export import generation
from vaiven.models.export.language import LanguageModel
from vaiven.models.export.text_model import TextModel
from vaiven.models.network.config import CELLS, NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import SPECIAL_TOKENS

pytestmark = pytest.mark.slow

CHARACTERS = [*' abcdeñóü¿?¡!.—', '👍', 'ש']
WORDS = ['the', 'film', 'is', 'una', 'niña', '.', ',', '¿', '?', '(', ')', '👍', 'שלום']
DEFAULTS = {'length': 12, 'temperature': 1.0, 'top_p': 0.9, 'top_k': 0, 'no_repeat': 0, 'seed': 1}


def signatures(folder, unit, tokens, max_tokens=64, **config) -> LanguageModel:
    path = folder / 'vocab.txt'
    path.write_text('\n'.join([*SPECIAL_TOKENS, *tokens]) + '\n', encoding='utf-8')
    sizes = {'units': 8, 'embedding_size': 6, 'wide_ngrams': 0, **config}
    network = Network(NetworkConfig(**sizes), len(SPECIAL_TOKENS) + len(tokens), use_cudnn=False, seed=3)
    network(np.full((1, 2), 2))
    for variable in network.trainable_variables:
        variable.assign(variable * 5)  # so that it has labelled_texts
    config = TextConfig(unit, lowercase=False, max_tokens=max_tokens)
    return LanguageModel(TextModel(network, config, str(path)))


@pytest.fixture(
    scope='module', params=[{'layers': 2}, {'bidirectional': False, 'embedding_size': 0}], ids=str
)
def characters(request, tmp_path_factory):
    return writer(signatures(tmp_path_factory.mktemp('c'), 'character', CHARACTERS, **request.param))


@pytest.fixture(scope='module')
def words(tmp_path_factory):
    return writer(signatures(tmp_path_factory.mktemp('w'), 'word', WORDS))


def writer(model: LanguageModel):
    function = tf.function(model.generate)

    def write(texts, **changes) -> list[str]:
        values = {name: tf.constant(value) for name, value in {**DEFAULTS, **changes}.items()}
        return [
            text.decode() for text in function(tf.constant(texts, tf.string), **values)['generated'].numpy()
        ]

    write.model = model
    return write


TEXTS = ['un niña', 'a', '', 'cab — ¿?']


def test_the_length_is_in_tokens_and_no_special_token_is_generated(characters, words):
    assert [len(text) for text in characters(['a', '', 'ñ ó'], length=200)] == [200, 200, 200]
    assert '[' not in ''.join(characters(['a', ''], length=200, top_p=1.0))
    assert not any(token in text for text in words(TEXTS, length=200, top_p=1.0) for token in SPECIAL_TOKENS)


def test_one_seed_generates_one_text_and_another_seed_another(characters):
    texts = ['a', '', 'ñ ó']
    assert characters(texts, seed=1) == characters(texts, seed=1)
    assert all(one != other for one, other in zip(characters(texts), characters(texts, seed=2), strict=True))


def test_copies_of_one_prompt_get_different_continuations(characters):
    assert len(set(characters([''] * 8))) == 8
    assert characters([''] * 8)[:3] == characters([''] * 3)


def test_temperature_0_takes_the_most_probable_token_of_the_whole_text_so_far(characters):
    require_most_probable(characters)


@pytest.mark.parametrize('cell', CELLS)
def test_every_cell_generates_step_by_step_what_the_whole_text_makes_most_probable(cell, tmp_path):
    require_most_probable(
        writer(signatures(tmp_path, 'character', CHARACTERS, cell=cell, layers=2, bidirectional=False))
    )


def require_most_probable(characters) -> None:
    (text,) = characters(['ab'], length=30, temperature=0.0)
    ids = [2, *(CHARACTERS.index(each) + len(SPECIAL_TOKENS) for each in 'ab' + text)]
    network = characters.model.model.network
    states, _ = network.read('forward', np.array([ids]))
    logits = np.array(network.token_logits(network.project('forward', states)))[0]
    most_probable = np.argmax(logits[:, len(SPECIAL_TOKENS) :], axis=1)
    assert ''.join(CHARACTERS[each] for each in most_probable[2:-1]) == text


@pytest.mark.parametrize('narrow', [{'top_p': 1e-6}, {'top_k': 1}])
def test_the_narrowest_options_take_the_most_probable_token_whatever_the_seed(characters, narrow):
    texts = ['a', '', 'ñ ó']
    greedy = characters(texts, temperature=0.0)
    assert characters(texts, **narrow, seed=1) == characters(texts, **narrow, seed=2) == greedy


def test_a_text_alone_and_in_a_batch_gets_the_same_tokens(characters, words):
    for write, texts in ((characters, ['a', '', 'ñ ó', 'a' * 40]), (words, TEXTS)):
        together = write(texts, temperature=0.0, no_repeat=3)
        assert together == [write([text], temperature=0.0, no_repeat=3)[0] for text in texts]


def test_a_long_prompt_and_its_last_tokens_get_the_same_continuation(tmp_path):
    write = writer(signatures(tmp_path, 'character', CHARACTERS, max_tokens=10))
    assert write(['b' * 500 + 'abcde abcd'], temperature=0.0) == write(['abcde abcd'], temperature=0.0)
    assert write(['e' * 500 + 'abcde abcd'], temperature=0.0) != write(['e' * 510], temperature=0.0)


@pytest.mark.parametrize(('n', 'length'), [(1, len(CHARACTERS)), (2, 16), (3, 60), (7, 200)])
def test_no_ngram_of_that_length_is_repeated(characters, n, length):
    for text in characters(['', ''], length=length, temperature=0.0, no_repeat=n):
        spans = [text[start : start + n] for start in range(length - n + 1)]
        assert len(set(spans)) == len(spans)


def test_without_the_limit_the_most_probable_characters_loop(characters):
    (text,) = characters([''], length=200, temperature=0.0)
    assert len({text[start : start + 20] for start in range(181)}) < 100


def test_ngrams_of_the_prompt_are_not_repeated_either(characters):
    (free,) = characters(['abc'], length=1, temperature=0.0)
    (bound,) = characters([f'abc{free}abc'], length=1, temperature=0.0, no_repeat=4)
    assert bound != free


def test_if_every_token_would_repeat_one_is_generated_nevertheless(characters):
    (text,) = characters([''], length=len(CHARACTERS) + 20, temperature=0.0, no_repeat=1)
    assert len(text) == len(CHARACTERS) + 20
    assert set(text) == set(CHARACTERS)


def test_repetitions_are_counted_from_each_earlier_position():
    tokens = tf.constant([[2, 5, 6, 5, 6, 7, 0, 0]])
    repeated = tf.zeros_like(tokens)
    lengths = []
    for step in range(6):
        earlier = tf.range(8) < step
        repeated = generation._match_lengths(tokens, tokens[:, step], repeated, earlier)
        lengths.append(repeated.numpy()[0].tolist())
    assert lengths[3] == [0, 1, 0, 0, 0, 0, 0, 0]
    assert lengths[4] == [0, 0, 2, 0, 0, 0, 0, 0]  # «5 6» ends at position 2 as well
    assert lengths[5] == [0] * 8


def drawn(probabilities, count=4000, temperature=1.0, top_p=1.0, top_k=0):
    """Shares of the ids that `_draw` takes, over seeds."""
    logits = tf.tile(tf.math.log(tf.constant([[1e-9] * 4 + probabilities], tf.float32)), [count, 1])
    draw = generation.SamplingOptions(*map(tf.constant, (temperature, top_p, top_k, 0, 1)))
    ids = generation._draw(logits, draw, tf.constant([1, 0])).numpy()
    return np.bincount(ids, minlength=4 + len(probabilities))[4:] / count


def test_draws_follow_the_distribution_and_its_temperature():
    probabilities = [0.5, 0.3, 0.15, 0.05]
    np.testing.assert_allclose(drawn(probabilities), probabilities, atol=0.03)
    colder = np.array(probabilities) ** 2 / np.sum(np.array(probabilities) ** 2)
    np.testing.assert_allclose(drawn(probabilities, temperature=0.5), colder, atol=0.03)


def test_top_p_and_top_k_exclude_the_other_tokens():
    probabilities = [0.15, 0.3, 0.5, 0.05]
    assert np.flatnonzero(drawn(probabilities, top_p=0.79)).tolist() == [1, 2]
    assert np.flatnonzero(drawn(probabilities, top_p=0.81)).tolist() == [0, 1, 2]
    assert np.flatnonzero(drawn(probabilities, top_k=3)).tolist() == [0, 1, 2]
    assert np.flatnonzero(drawn(probabilities, top_k=3, top_p=0.49)).tolist() == [2]
    assert np.flatnonzero(drawn(probabilities, top_k=99)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(('top_p', 'top_k'), [(0.95, 0), (0.2, 0), (1.0, 1500), (0.9, 20)])
def test_the_min_kept_probability_is_that_of_a_full_sort_in_a_large_vocabulary(top_p, top_k):
    values = np.random.default_rng(0).exponential(size=(3, 5000)).astype(np.float32)
    values /= values.sum(axis=1, keepdims=True)
    least = generation._min_kept_probability(
        tf.constant(values), tf.constant(top_k), tf.constant(top_p)
    ).numpy()
    ranked = -np.sort(-values, axis=1)
    gathered = np.cumsum(ranked, axis=1) - ranked
    kept = (gathered < top_p) & (np.arange(5000) < (top_k or 5000))
    np.testing.assert_allclose((values >= least).sum(axis=1), kept.sum(axis=1), atol=2)


@pytest.mark.parametrize(
    ('bad', 'received'),
    [
        ({'length': -5}, '-5'),
        ({'length': 0}, '0'),
        ({'length': 10**9}, '1000000000'),
        ({'top_p': 0.0}, '0'),
        ({'top_p': 1.5}, '1.5'),
        ({'top_p': float('nan')}, 'nan'),
        ({'temperature': -1.0}, '-1'),
        ({'temperature': float('nan')}, 'nan'),
        ({'top_k': -1}, '-1'),
        ({'no_repeat': -1}, '-1'),
    ],
)
def test_impossible_options_are_refused_with_the_rule_and_the_value(words, bad, received):
    [name] = bad
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf'{name} must .*Received:\] \[{received}\]'):
        words(['x'], **bad)


def test_characters_that_the_model_never_saw_are_refused_by_name(characters):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r'only characters that the model .*\[zλ\]'):
        characters(['a', 'bzλz a'])
    assert len(characters(['nin\u0303o'.replace('i', 'a').replace('o', 'a').replace('n', 'b', 1)])[0]) == 12


def test_words_that_the_model_never_saw_are_accepted(words):
    assert words(['xyz λόγος 👍🏽'])


def test_a_space_at_the_end_of_a_prompt_ends_the_word(characters):
    assert characters(['ab '], temperature=0.0) == characters(['ab \n\u00a0'], temperature=0.0)
    ends = [characters([prompt], temperature=0.0)[0] for prompt in ('ab', 'ab ', ' ', '')]
    assert ends[2] == ends[3]
    (after,) = characters(['ab'], length=1, temperature=0.0)
    if after == ' ':
        assert ends[0][1:] == ends[1][:-1]


def test_spaces_between_prompt_and_continuation_are_those_of_normal_text(words):
    for prompt in ('the film', 'the film ', '', '¿', 'una (', 'una ,'):
        for written in words([prompt] * 20, length=1, top_p=1.0):
            whole = prompt + written
            assert '  ' not in whole
            assert not whole.startswith(' ')
            if prompt in ('¿', 'una ('):
                assert written[0] != ' '
            elif prompt in ('the film', 'una ,'):
                assert (written[0] == ' ') == (written.strip() not in list('.,?)'))


def test_a_wordpiece_continues_the_last_word_of_the_prompt(tmp_path):
    write = writer(
        signatures(tmp_path, 'wordpiece', ['niñ', '##os', '##as', 'una', '.', '##n', '##i', '##ñ'])
    )
    for prompt in ('una niñ', 'una niños', ''):
        for written in write([prompt] * 30, length=1, top_p=1.0):
            assert '#' not in written
            if prompt:
                assert (written[0] == ' ') == (written.strip() in ('niñ', 'una'))


def test_no_texts_get_no_answers(characters, words):
    assert characters([]) == []
    assert words([]) == []


def test_invalid_bytes_are_continued(words):
    assert len(words([b'\xff', 'a\u0301'])) == 2
