"""The evaluation of a language model, with models whose bits a character are known."""

import json
import math
import random
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from executor_runs import artifact, channel, run, write_examples
from tfx.types import standard_artifacts

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.language_evaluation import evaluate as evaluate_module
from vaiven.components.language_evaluation.baselines import compressor_bits, unigram_bits
from vaiven.components.language_evaluation.component import LanguageEvaluator
from vaiven.components.language_evaluation.evaluate import SAMPLE_TOKENS, SAMPLES
from vaiven.components.language_evaluation.originality import distinct_n, longest_copied_passage
from vaiven.configuration import ConfigError
from vaiven.models.export.language import LanguageModel
from vaiven.models.export.text_model import TextModel
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import EOS_ID, SPECIAL_TOKENS

pytestmark = pytest.mark.slow

CHARACTERS = 'aábcñ¿? '
TEXT = TextConfig('character', max_tokens=1000)


def texts(count, seed) -> list[str]:
    draw = random.Random(seed)
    weights = range(1, len(CHARACTERS) + 1)
    return [' '.join(''.join(draw.choices(CHARACTERS, weights, k=60)).split()) for _ in range(count)]


TRAIN, TEST = texts(80, 1), texts(20, 2)


def export(folder, bias):
    """A model that foresees every character with the same probabilities, softmax(bias), whatever came before."""
    folder.mkdir(parents=True)
    vocabulary = folder / 'vocab.txt'
    vocabulary.write_text('\n'.join([*SPECIAL_TOKENS, *CHARACTERS]) + '\n', encoding='utf-8')
    config = NetworkConfig(units=4, embedding_size=4, wide_ngrams=0, bidirectional=False)
    network = Network(config, len(SPECIAL_TOKENS) + len(CHARACTERS), use_cudnn=False)
    network(np.full((1, 2), 2))
    network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    network.softmax_bias.assign(bias)
    model = LanguageModel(TextModel(network, TEXT, str(vocabulary)))
    string = tf.TensorSpec([None], tf.string, name='text')
    numbers = {'length': tf.int32, 'temperature': tf.float32, 'top_p': tf.float32} | dict.fromkeys(
        ('top_k', 'no_repeat', 'seed'), tf.int32
    )
    sampling = [tf.TensorSpec([], kind, name=name) for name, kind in numbers.items()]
    resources = tf.Module()
    resources.network = [variable.value for variable in network.variables]
    resources.table, resources.tokens = model.model.table, model.model.tokens
    signatures = {
        'score': tf.function(model.score, [string], autograph=False).get_concrete_function(),
        'generate': tf.function(model.generate, [string, *sampling], autograph=False).get_concrete_function(),
    }
    tf.saved_model.save(resources, str(folder / 'Format-Serving'), signatures=signatures)
    return folder


def by_frequency():
    counts = Counter(character for text in TRAIN for character in text)
    bias = np.full(len(SPECIAL_TOKENS) + len(CHARACTERS), -30.0)
    bias[EOS_ID] = math.log(len(TRAIN))
    bias[len(SPECIAL_TOKENS) :] = [math.log(counts[character]) for character in CHARACTERS]
    return bias


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp('models')
    export(base / 'frequent', by_frequency())
    export(base / 'uniform', np.zeros(len(SPECIAL_TOKENS) + len(CHARACTERS)))
    export(base / 'broken', np.full(len(SPECIAL_TOKENS) + len(CHARACTERS), np.nan))
    return base


def evaluated(tmp_path, folder, candidate, before=None, **settings):
    """What `language.json` says, and the blessing."""
    component = LanguageEvaluator(
        channel(standard_artifacts.Examples),
        channel(standard_artifacts.Model),
        EvaluationConfig(**settings),
        TEXT,
        channel(standard_artifacts.Model) if before else None,
    )
    splits = {'train': [{'text': text} for text in TRAIN], 'test': [{'text': text} for text in TEST]}
    given = {
        'examples': write_examples(tmp_path / 'examples', splits),
        'model': artifact(standard_artifacts.Model, folder / candidate),
    }
    given['model'].id = 7
    if before:
        given['baseline_model'] = artifact(standard_artifacts.Model, folder / before)
        given['baseline_model'].id = 5
    made = run(component, tmp_path / 'out', given)
    return json.loads((tmp_path / 'out/evaluation/language.json').read_text()), made['blessing']


def test_the_bits_are_those_of_the_probabilities_and_the_blessing_is_as_tfx_makes_it(tmp_path, folder):
    found, blessing = evaluated(tmp_path, folder, 'frequent')
    assert found['bits_per_character'] == pytest.approx(found['unigram'], abs=0.01)
    assert found['characters'] == found['tokens'] == sum(len(text) + 1 for text in TEST)
    assert found['perplexity'] == pytest.approx(2 ** found['bits_per_character'], rel=1e-4)
    assert (found['texts'], found['before'], found['reason']) == (len(TEST), None, '')
    assert blessing.get_int_custom_property('blessed') == 1
    assert blessing.get_int_custom_property('current_model_id') == 7
    assert blessing.get_string_custom_property('current_model') == str(folder / 'frequent')
    assert not blessing.has_custom_property('baseline_model_id')
    assert (tmp_path / 'out/blessing/BLESSED').exists()


def test_what_lies_beyond_max_tokens_is_foreseen_too_and_what_lies_beyond_all_bounds_is_passed_over(
    folder, monkeypatch
):
    long = ' '.join(TEST) * 3
    uniform = str(folder / 'uniform' / 'Format-Serving')
    for most, read in ((100_000, len(long)), (1500, 1500)):
        monkeypatch.setattr(evaluate_module, 'MAX_TOKENS', most)
        found = evaluate_module.evaluate(uniform, None, TRAIN, [long, 'a'], EvaluationConfig(), TEXT)
        assert found.tokens == found.characters == read + len('a') + 2 > TEXT.max_tokens
        bits = math.log2(len(SPECIAL_TOKENS) + len(CHARACTERS))
        assert found.bits_per_character == pytest.approx(bits, rel=1e-4)


def test_what_the_model_writes_is_shown_and_looked_at(tmp_path, folder):
    found, _ = evaluated(tmp_path, folder, 'frequent')
    assert [len(text) for text in found['written']] == [SAMPLE_TOKENS] * SAMPLES
    assert 0 < found['distinct'][0] <= found['distinct'][1] <= found['distinct'][2] <= 1
    assert len(found['copied']) >= 3
    assert any(found['copied'] in text for text in TRAIN)
    assert any(found['copied'] in text for text in found['written'])


def test_a_model_that_needs_more_bits_than_the_blessed_one_is_not_blessed(tmp_path, folder):
    found, blessing = evaluated(tmp_path, folder, 'uniform', 'frequent')
    assert found['bits_per_character'] == pytest.approx(
        math.log2(len(SPECIAL_TOKENS) + len(CHARACTERS)), abs=1e-3
    )
    assert found['before'] == pytest.approx(found['unigram'], abs=0.01)
    assert 'evaluation.max_bits_rise=0.02' in found['reason']
    assert blessing.get_string_custom_property('reason') == found['reason']
    assert blessing.get_int_custom_property('blessed') == 0
    assert blessing.get_int_custom_property('baseline_model_id') == 5
    assert (tmp_path / 'out/blessing/NOT_BLESSED').exists()


def test_a_better_model_than_the_blessed_one_is_blessed_and_so_is_one_within_the_allowance(tmp_path, folder):
    assert evaluated(tmp_path / 'a', folder, 'frequent', 'uniform')[0]['reason'] == ''
    assert evaluated(tmp_path / 'b', folder, 'uniform', 'frequent', max_bits_rise=2.0)[0]['reason'] == ''


def test_a_model_above_the_bound_is_not_blessed(tmp_path, folder):
    found, _ = evaluated(tmp_path, folder, 'uniform', max_bits_per_character=3.5)
    assert found['reason'].startswith('3.58')
    assert 'evaluation.max_bits_per_character=3.5' in found['reason']


def test_a_model_without_numbers_is_not_blessed_and_the_file_is_json_all_the_same(tmp_path, folder):
    found, blessing = evaluated(tmp_path, folder, 'broken')
    assert 'no probabilities' in found['reason']
    assert found['bits_per_character'] is None
    assert blessing.get_int_custom_property('blessed') == 0


def test_no_more_texts_are_measured_than_are_asked_for(tmp_path, folder):
    found, _ = evaluated(tmp_path, folder, 'frequent', max_texts=3)
    assert found['texts'] == 3
    assert found['characters'] == sum(len(text) + 1 for text in TEST[:3])


@pytest.mark.parametrize(
    ('settings', 'rule'),
    [
        ({'max_bits_per_character': -1.0}, 'max_bits_per_character'),
        ({'max_bits_rise': math.nan}, 'max_bits_rise'),
        ({'max_texts': 0}, 'max_texts'),
    ],
)
def test_bounds_that_make_no_sense_are_refused(settings, rule):
    with pytest.raises(ConfigError, match=rf'evaluation\.{rule} must .*Received'):
        EvaluationConfig(**settings)


def test_distinct_counts_different_sequences_of_words_within_a_text():
    assert distinct_n(['el sol y el mar'], 1) == 4 / 5
    assert distinct_n(['el sol', 'el sol y'], 2) == 2 / 3
    assert distinct_n(['', 'sol'], 2) == 0.0


def test_the_longest_copied_stretch_is_that_of_a_search_character_by_character():
    draw = random.Random(0)
    for _ in range(20):
        sources = [''.join(draw.choices('abñ👍', k=draw.randrange(60))) for _ in range(4)]
        written = [''.join(draw.choices('abñ👍', k=draw.randrange(40))) for _ in range(3)]
        spans = {text[i:j] for text in written for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
        longest = max((len(span) for span in spans if any(span in source for source in sources)), default=0)
        found = longest_copied_passage(written, sources)
        assert len(found) == longest
        assert any(found in source for source in sources) or not sources


def test_a_stretch_does_not_reach_from_one_source_to_the_next():
    assert longest_copied_passage(['abcdef'], ['xabc', 'defx']) in ('abc', 'def')
    assert longest_copied_passage(['ñandú'], ['un ñandú corre']) == 'ñandú'
    assert (
        longest_copied_passage([''], ['a'])
        == longest_copied_passage(['a'], [])
        == longest_copied_passage([], ['a'])
        == ''
    )


def test_frequencies_and_compressor_need_fewer_bits_where_there_is_less_to_tell():
    assert unigram_bits(['aaab'], ['aaab']) < unigram_bits(['aaab'], ['bbba'])
    assert math.isfinite(unigram_bits(['a'], ['ñ👍']))
    same = ['the quick brown fox jumps over the lazy dog ' * 20]
    assert compressor_bits(same, same) < 0.3 < compressor_bits(['x'], texts(30, 3))
