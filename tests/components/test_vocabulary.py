"""The vocabulary: counting on Beam, choosing, and writing."""

import json

import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that, equal_to
from executor_runs import BEAM_ARGS, channel, run, write_examples
from tfx.types import standard_artifacts

from vaiven.components.vocabulary import counting
from vaiven.components.vocabulary.component import Vocabulary
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.components.vocabulary.counting import CountTokens
from vaiven.components.vocabulary.token_selection import select_tokens
from vaiven.configuration import ConfigError
from vaiven.models.text.config import TextConfig

pytestmark = pytest.mark.slow

SPECIAL = ['[PAD]', '[UNK]', '[BOS]', '[EOS]']


def examples(*texts):
    return [
        tf.train.Example(
            features=tf.train.Features(
                feature={'text': tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))}
            )
        ).SerializeToString()
        for text in texts
    ]


def counts(pipeline, texts, config):
    return pipeline | 'Texts' >> beam.Create(examples(*texts), reshuffle=False) | CountTokens(config)


def pipeline():
    return test_pipeline.TestPipeline(options=PipelineOptions(BEAM_ARGS))


def test_words_are_counted_whatever_their_case_and_unicode_form():
    with pipeline() as p:
        counted = counts(p, ['Qué film, QUÉ film', 'Que\u0301 👩‍👩‍👧', '', '   ', 'فيلم'], TextConfig())
        words = counted | beam.Filter(lambda pair: pair[0].decode()[0].isalpha())
        assert_that(words, equal_to([('qué'.encode(), 3), (b'film', 2), ('فيلم'.encode(), 1)]))


def test_characters_are_counted():
    with pipeline() as p:
        counted = counts(p, ['año', 'oh'], TextConfig(unit='character'))
        assert_that(counted, equal_to([(b'a', 1), ('ñ'.encode(), 1), (b'o', 2), (b'h', 1)]))


def test_no_texts_give_no_counts():
    with pipeline() as p:
        assert_that(counts(p, [], TextConfig()), equal_to([]))


def test_a_worker_full_of_tokens_sends_what_it_has_and_counts_on(monkeypatch):
    monkeypatch.setattr(counting, '_MAX_DISTINCT_TOKENS', 1)
    monkeypatch.setattr(counting, '_BATCH_SIZE', 2)
    with pipeline() as p:
        assert_that(
            counts(p, ['a b', 'a c', 'a b', 'c'], TextConfig()), equal_to([(b'a', 3), (b'b', 2), (b'c', 2)])
        )


def test_the_most_frequent_come_first_and_equal_ones_by_code_point():
    counted = [(b'b', 2), ('é'.encode(), 5), (b'a', 2), ('👍'.encode(), 2), (b'Z', 2)]
    for order in (counted, counted[::-1]):
        assert select_tokens(order, VocabularyConfig()).tokens == [*SPECIAL, 'é', 'Z', 'a', 'b', '👍']


def test_rare_tokens_and_those_beyond_the_size_are_unknown():
    choice = select_tokens(
        [(b'a', 9), (b'b', 5), (b'c', 4), (b'd', 1)], VocabularyConfig(max_size=6, min_count=2)
    )
    assert choice.tokens == [*SPECIAL, 'a', 'b']
    assert json.loads(choice.summary_text(7)) == {
        'size': 6, 'distinct': 4, 'total': 19, 'coverage': 14 / 19, 'texts': 7,
    }  # fmt: skip
    assert choice.counts_text() == 'a\t9\nb\t5\nc\t4\nd\t1\n'


def test_a_text_cannot_bring_a_special_token_or_a_second_line_into_the_file():
    tokens = [b'[PAD]', b'\x85', '\x85'.encode(), '\u2028'.encode(), b'a\x0bb', b'\t', b'ok']
    counted = [(token, 9) for token in tokens if token != b'\x85']
    assert select_tokens(counted, VocabularyConfig()).tokens == [*SPECIAL, 'ok']


STEMS = ('cant', 'habl', 'mir', 'llor', 'salt', 'pint', 'baj', 'entr', 'sac', 'tir', 'not', 'llam')
WORDS = {stem + end: 3 + len(end) for stem in STEMS for end in ('o', 'aba', 'amos', 'aron', 'ando', 'aré')}
WORDS |= {'.': 90, 'שלום': 4, '👍🏽': 3, 'ñu': 2, '#': 1, 'x\x85': 9}


def pieces(size, words=WORDS, **options):
    counted = [(word.encode(), count) for word, count in words.items()]
    return select_tokens(counted, VocabularyConfig(max_size=size, **options), 'wordpiece')


def test_pieces_are_learnt_from_words_and_fill_the_vocabulary():
    found = pieces(70)
    assert len(found.tokens) == len(set(found.tokens)) == 70
    assert {'##aron', '##ando', '##amos', 'ñ', 'ש', '👍', '#'} <= set(found.tokens)
    # No word holds it inside, and no other word can.
    assert '###' not in found.tokens
    assert found.tokens == pieces(70, dict(reversed(WORDS.items()))).tokens


def test_pieces_have_the_order_of_their_counts():
    found = pieces(70)
    counts = dict(found.counts)
    places = [counts.get(token, 0) for token in found.tokens[len(SPECIAL) :]]
    assert found.tokens[: len(SPECIAL)] == SPECIAL
    assert places == sorted(places, reverse=True)
    assert counts['.'] == 90


def test_characters_without_a_place_count_as_unknown():
    found = pieces(8)
    assert sorted(found.tokens[len(SPECIAL) :]) == ['##a', '##o', 'a', 'o']
    assert found.counts[0][0] == '[UNK]'
    assert 0.2 < json.loads(found.summary_text(1))['coverage'] < 0.5


def test_no_words_give_no_pieces():
    assert pieces(50, {}).tokens == pieces(50, {'\x85': 3}).tokens == SPECIAL


def test_no_text_at_all_gives_the_special_tokens():
    choice = select_tokens([], VocabularyConfig())
    assert choice.vocabulary_text() == '[PAD]\n[UNK]\n[BOS]\n[EOS]\n'
    assert json.loads(choice.summary_text(0))['coverage'] == 1.0


@pytest.mark.parametrize('values', [{'max_size': 4}, {'min_count': 0}])
def test_a_configuration_that_makes_no_sense_is_refused(values):
    with pytest.raises(ConfigError, match='vocabulary'):
        VocabularyConfig(**values)


def test_the_component_counts_train_and_unlabelled_and_no_held_out_text(tmp_path):
    splits = {
        'train': [{'text': 'uno dos', 'label': 1}, {'text': 'dos', 'label': 0}],
        'eval': [{'text': 'secret secret', 'label': 1}],
        'test': [{'text': 'secret secret', 'label': 1}],
        'unlabelled': [{'text': 'uno tres'}],
    }
    component = Vocabulary(channel(standard_artifacts.Examples), VocabularyConfig(), TextConfig())
    given = write_examples(tmp_path / 'examples', splits)
    for name in ('first', 'second'):
        made = run(component, tmp_path / name, {'examples': given})['vocabulary']
    assert (tmp_path / 'first/vocabulary/vocab.txt').read_text().split() == [*SPECIAL, 'dos', 'uno']
    assert (tmp_path / 'first/vocabulary/counts.tsv').read_text() == 'dos\t2\nuno\t2\ntres\t1\n'
    assert json.loads((tmp_path / 'first/vocabulary/summary.json').read_text())['texts'] == 3
    for path in (tmp_path / 'first/vocabulary').iterdir():
        assert path.read_bytes() == (tmp_path / 'second/vocabulary' / path.name).read_bytes()
    assert made.type_name == 'vaiven.Vocabulary'
