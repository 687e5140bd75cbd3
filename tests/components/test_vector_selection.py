"""Which vectors a vocabulary gets, and which words of the file join it."""

import json
import pathlib

import numpy as np
import pytest
from executor_runs import channel, run, write_examples
from test_vector_files import text
from tfx.types import standard_artifacts

from vaiven.components.text_example_gen.local_files import open_local
from vaiven.components.vocabulary.component import Vocabulary
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.components.vocabulary.vectors.errors import VectorsError
from vaiven.components.vocabulary.vectors.files import open_vectors
from vaiven.components.vocabulary.vectors.selection import normalize_words, select_vectors
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import SPECIAL_TOKENS
from vaiven.models.text.vectors import read_vectors

pytestmark = pytest.mark.slow


def select(tmp_path, words, tokens, counts=None, limit=0, **options):
    path = tmp_path / 'vectors.txt'
    lines = [f'{word} {number} 1\n' for number, word in enumerate(words, start=1)]
    path.write_text(''.join(lines), 'utf-8')
    with open_vectors(str(path), open_local) as file:
        return select_vectors(file, [*SPECIAL_TOKENS, *tokens], counts or {}, limit, TextConfig(**options))


def rows(selection):
    """The position in the file from 1 of the vector of each token behind the special ones; 0 for none."""
    assert not selection.table[: len(SPECIAL_TOKENS)].any()
    return selection.table[len(SPECIAL_TOKENS) :, 0].astype(int).tolist()


def test_a_word_becomes_the_token_that_a_text_makes_of_it():
    words = ['Good', 'don’t', 'cafe\u0301', 'ｃａｔ', 'New_York', 'at home', '</s>', '', '…']
    tokens = ['good', "don't", 'café', 'cat', None, None, None, None, None]
    assert normalize_words(words, TextConfig()) == tokens


def test_the_same_word_wins_over_one_that_is_normalised_to_it_and_the_first_of_equals_wins(tmp_path):
    selection = select(tmp_path, ['Good', 'GOOD', 'good', 'good', 'Bad', 'bAd'], ['bad', 'good', 'ugly'])
    assert rows(selection) == [5, 3, 0]
    assert (selection.words, selection.found, selection.duplicates) == (3, 2, 1)
    assert selection.line() == (
        'vectors: 2 of 3 words (66.7 %), 2 values each; in the file more than once: 1, the first vector counts'
    )


def test_a_token_with_capitals_gets_the_vector_of_its_lower_case_if_the_file_has_no_other(tmp_path):
    selection = select(tmp_path, ['madrid', 'sol', 'Sol'], ['Madrid', 'Sol', 'MADRID'], lowercase=False)
    assert rows(selection) == [1, 3, 1]


def test_special_tokens_get_no_vector(tmp_path):
    assert rows(select(tmp_path, ['[UNK]', '[PAD]', 'sol'], ['sol'])) == [3]


def test_rare_words_of_the_texts_join_before_other_words_of_the_file(tmp_path):
    words = ['the', 'Paris', 'Fish', 'zebra', 'fish', 'yak', 'the', 'New York', 'rome']
    counts = {'the': 9, 'zebra': 1, 'yak': 2, 'gnu': 3}
    for limit, joining in (
        (10, ['yak', 'zebra', 'paris', 'fish', 'rome']),
        (3, ['yak', 'zebra', 'paris']),
        (0, []),
    ):
        selection = select(tmp_path, words, ['the'], counts, limit)
        assert selection.read_only == joining
        assert rows(selection) == [
            1,
            *[{'yak': 6, 'zebra': 4, 'paris': 2, 'fish': 5, 'rome': 9}[word] for word in joining],
        ]


def test_neither_wordpieces_nor_characters_join(tmp_path):
    selection = select(tmp_path, ['sol', '##es', 'luna'], ['sol', '##es'], limit=9, unit='wordpiece')
    assert (rows(selection), selection.read_only) == ([1, 2], [])
    selection = select(tmp_path, ['s', 'o', 'luna'], ['s', 'o'], limit=9, unit='character')
    assert (rows(selection), selection.read_only) == ([1, 2], [])


def test_a_file_without_any_of_the_words_is_refused(tmp_path):
    with pytest.raises(VectorsError, match=r'Received: none of 2; give vectors of the language') as raised:
        select(tmp_path, ['Mond', 'Sonne'], ['luna', 'sol'], limit=9)
    assert '\n' not in str(raised.value)


def test_only_the_values_of_words_that_are_needed_are_converted(tmp_path):
    path = tmp_path / 'vectors.txt'
    path.write_bytes(b'sol 1 2\nluna nan 2\n')
    with open_vectors(str(path), open_local) as file:
        assert select_vectors(file, ['sol'], {}, 0, TextConfig()).found == 1
    with (
        open_vectors(str(path), open_local) as file,
        pytest.raises(VectorsError, match=r"line 2: .*nan for 'luna'"),
    ):
        select_vectors(file, ['sol'], {}, 1, TextConfig())


def vocabulary_of(tmp_path, content, **config):
    path = tmp_path / 'glove.txt'
    path.write_bytes(content)
    examples = write_examples(
        tmp_path / 'examples',
        {'train': [{'text': 'sol sol luna'}, {'text': 'SOL y mar'}], 'test': [{'text': 'x'}]},
    )
    component = Vocabulary(
        examples=channel(standard_artifacts.Examples), config=VocabularyConfig(**config), text=TextConfig(),
        vectors=VectorsSource(str(path), 'abc'),
    )  # fmt: skip
    return pathlib.Path(run(component, tmp_path / 'out', {'examples': examples})['vocabulary'].uri)


def test_the_component_writes_the_vectors_and_adds_words_of_the_file_to_the_vocabulary(tmp_path):
    uri = vocabulary_of(tmp_path, text({'sol': [1.0, 2.0], 'nieve': [3.0, 4.0], 'luna': [5.0, 6.0]}))
    assert (uri / 'vocab.txt').read_text().splitlines() == [*SPECIAL_TOKENS, 'sol', 'luna', 'nieve']
    vectors = read_vectors(str(uri / 'vectors.npz'))
    np.testing.assert_array_equal(vectors.table[4:], [[1, 2], [5, 6], [3, 4]])
    assert vectors.read_only == 2
    record = {'file': 'glove.txt', 'sha256': 'abc', 'values': 2, 'words': 1, 'found': 1, 'read_only': 2}
    assert vectors.record == record
    summary = json.loads((uri / 'summary.json').read_text())
    assert summary['vectors'] == record
    assert (summary['size'], summary['distinct']) == (5, 4)  # of the texts alone


def test_a_component_without_vectors_has_no_parameter_for_them():
    plain = Vocabulary(channel(standard_artifacts.Examples), VocabularyConfig(), TextConfig())
    assert plain.exec_properties.get('vectors') is None
