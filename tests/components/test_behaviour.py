"""The behavioural tests of a classifier: their sentences, the user's file, and what counts as passed."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from vaiven.components.evaluation.behaviour.cases import MAX_CASES, Case, built_in_cases, read_cases
from vaiven.components.evaluation.behaviour.perturbations import invariance_cases, languages
from vaiven.components.evaluation.behaviour.results import describe, run_cases
from vaiven.components.evaluation.behaviour.selection import BehaviourTests
from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.configuration import ConfigError
from vaiven.errors import UserError
from vaiven.label_spec import SENTIMENT_LABELS, LabelSpec
from vaiven.serving.common.model_labels import ModelLabels

SENTIMENT = ModelLabels.from_config({'data': {}})
TOPICS = LabelSpec('multilabel', ('envío', 'a|b', '💳'))


def predict(texts: list[str]) -> np.ndarray:
    """Positive with 0.9 where the text has `good`, 0.05 less for each `!`; else with 0.2."""
    positive = np.array([0.9 - 0.05 * text.count('!') if 'good' in text else 0.2 for text in texts])
    return np.stack([1 - positive, positive], axis=1)


def passed(*cases: Case) -> list[int]:
    return [run_cases([case], predict, SENTIMENT_LABELS).tests[0].passed for case in cases]


def test_the_label_alone_the_variant_alone_and_both_are_three_types_of_test() -> None:
    assert passed(Case('a', 'good', 'positive'), Case('a', 'bad', 'positive')) == [1, 0]
    # The same label, or at most 0.1 more or less.
    assert passed(Case('a', 'good', None, 'good!!!!'), Case('a', 'good', None, 'bad')) == [1, 0]
    # The label of the variant is as probable as that of the text, but for 0.1.
    towards = Case('a', 'bad', 'positive', 'good'), Case('a', 'good', 'positive', 'good!!')
    assert passed(*towards, Case('a', 'good', 'positive', 'good!!!')) == [1, 1, 0]
    assert passed(Case('a', 'bad', 'negative', 'good')) == [0]


def test_results_name_the_failing_sentences_and_every_test_counts_the_same() -> None:
    results = run_cases(
        [
            Case('negation', 'not bad', 'positive'),
            *[Case('names', f'good {number}', None, f'good {number}!!') for number in range(9)],
            Case('names', 'good Ana', None, 'Mei'),
        ],
        predict,
        SENTIMENT_LABELS,
    )
    values = json.loads(results.to_json())
    assert values['score'] == pytest.approx((0 + 0.9) / 2)
    negation, names = values['tests']
    assert (negation['test'], negation['passed'], negation['total'], negation['mean_change']) == (
        'negation',
        0,
        1,
        None,
    )
    assert negation['failures'] == [
        {
            'text': 'not bad',
            'variant': None,
            'label': 'positive',
            'predicted': 'negative',
            'change': None,
        }
    ]
    assert names['mean_change'] == pytest.approx((9 * 0.1 + 0.7) / 10)
    assert describe(values) == [
        'behavioural tests passed: 9 of 11',
        '  negation 0/1, names 9/10',
        '  negation, for example: «not bad»: negative',
    ]
    assert results.refusal(None) == results.refusal(0.45) == ''
    assert results.refusal(0.5) == (
        'behavioural tests: 45.0% passed, mean of 2 tests, is below evaluation.min_behaviour=0.5; '
        'the worst is negation: 0 of 1'
    )


def test_several_labels_a_row_are_compared_as_a_set() -> None:
    cases = [Case('a', 'x', '["a|b", "envío"]'), Case('a', 'x', '💳'), Case('a', 'x', '💳', 'y')]
    rows = {'x': [0.9, 0.8, 0.1], 'y': [0.9, 0.2, 0.6]}
    results = run_cases(cases, lambda texts: np.array([rows[text] for text in texts]), TOPICS)
    assert results.tests[0].passed == 2
    assert results.tests[0].failures[0]['predicted'] == '["a|b", "envío"]'


@pytest.mark.parametrize('language', ['en', 'es'])
def test_the_sentences_of_this_package_are_valid_and_balanced(language: str) -> None:
    cases = built_in_cases(language)
    assert len(set(cases)) == len(cases)
    for test in ('negation', 'contrast', 'intensity', 'names', 'typos', 'case', 'emoji', 'punctuation'):
        assert [case for case in cases if case.test == test], test
    for test in ('negation', 'contrast'):
        labels = [case.label for case in cases if case.test == test]
        assert set(labels) == {'negative', 'positive'}
        assert 0.35 < labels.count('positive') / len(labels) < 0.65
    if language == 'es':
        accents = [case for case in cases if case.test == 'accents']
        assert all(case.variant == unicodedata.normalize('NFD', case.text) != case.text for case in accents)


def test_sentences_are_chosen_by_the_language_of_the_texts() -> None:
    english, spanish = (
        'The film is a joy and it is short.',
        'La película es una joya de las que no se olvidan.',
    )
    assert languages([english] * 20) == ['en']
    assert languages([spanish] * 20) == ['es']
    assert languages([english, spanish]) == ['en', 'es']
    assert languages(['Der Film ist ein Vergnügen und kurz.', '好电影', '']) == languages([]) == []
    tests = BehaviourTests('all')
    found = {case.test for case in tests.cases([spanish], SENTIMENT_LABELS)}
    assert {'agreement', 'accents', 'negation'} < found
    assert 'negation' not in {case.test for case in tests.cases([spanish], TOPICS)}


def test_held_out_texts_give_variants_that_mean_the_same() -> None:
    texts = ['La señora said that Ana García wrote it.', '👍', '', 'ok', 'Über alles שלום!']
    variants = {(case.test, case.text): case.variant for case in invariance_cases(texts)}
    assert variants['punctuation', texts[0]] == texts[0][:-1]
    assert variants['punctuation', 'ok'] == 'ok.'
    assert variants['case', 'ok'] == 'OK'
    assert variants['accents', texts[4]] == unicodedata.normalize('NFD', texts[4])
    assert sorted(variants['typos', texts[0]]) == sorted(texts[0]) != texts[0]
    names = variants['names', texts[0]]
    assert names.startswith('La señora said that ')
    assert names.endswith(' wrote it.')
    assert 'Ana García' not in names
    assert ('case', '👍') not in variants
    assert invariance_cases(texts) == invariance_cases(texts)


def test_long_and_many_texts_give_few_and_short_variants() -> None:
    cases = invariance_cases([f'{number} Interesting sentences ' * 1000 for number in range(5000)])
    assert 0 < len(cases) <= 5 * 50
    assert max(len(case.text) for case in cases) <= 600


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding='utf-8')
    return str(path)


def test_a_file_of_the_user_has_all_types_of_test(tmp_path: Path) -> None:
    rows = 'test,text,label,variant\nours,"Bad, no?",neg,\nours,¡Bien!,,BIEN\nours,ok,Positivo,ok 👍\n'
    path = write(tmp_path / 'own.csv', rows)
    expected = [
        Case('ours', 'Bad, no?', 'negative'),
        Case('ours', '¡Bien!', None, 'BIEN'),
        Case('ours', 'ok', 'positive', 'ok 👍'),
    ]
    assert read_cases(path, SENTIMENT) == expected
    without = write(tmp_path / 'without.csv', 'test,text,variant\nours,a,b\n')
    assert read_cases(without, SENTIMENT) == [Case('ours', 'a', None, 'b')]
    several = write(tmp_path / 'several.jsonl', '{"test": "t", "text": "x", "label": ["envío", "a|b"]}\n')
    labels = ModelLabels.from_classes('multilabel', TOPICS.classes)
    assert read_cases(several, labels)[0].label == '["a|b", "envío"]'
    tests = BehaviourTests.from_config(EvaluationConfig(behaviour='own', behaviour_file=path), SENTIMENT)
    assert BehaviourTests.from_json(tests.to_json()) == tests
    assert tests.cases(['The held-out text is ignored.'], SENTIMENT_LABELS) == expected


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ('test,text,label\nours,bad,neutral\n', "own.csv, line 2: 'neutral' is not one of the labels"),
        (
            'test,text,label\nours,bad,\n',
            'own.csv, line 2: a behavioural test needs test, text, and label or variant',
        ),
        ('test,text,label\nours,bad,unlabelled\n', 'must be a class of the model, or empty'),
        ('name,text,label\nours,bad,pos\n', "no column is named 'test'"),
        ('test,text,label\n', 'at least one row'),
        ('test,text,label\n' + 'ours,bad,pos\n' * (MAX_CASES + 1), f'at most {MAX_CASES:,} rows'),
    ],
)
def test_an_invalid_file_is_one_line(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        read_cases(write(tmp_path / 'own.csv', rows), SENTIMENT)
    assert message in str(error.value)
    assert '\n' not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_a_file_that_is_missing_or_no_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='cannot read'):
        read_cases(str(tmp_path / 'none.csv'), SENTIMENT)
    with pytest.raises(UserError, match=r'evaluation.behaviour_file must be a .* file'):
        read_cases(str(tmp_path / 'own.txt'), SENTIMENT)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'needs evaluation\.behaviour_file'):
        EvaluationConfig(behaviour='own')
    with pytest.raises(ConfigError, match='excludes'):
        EvaluationConfig(behaviour='none', min_behaviour=0.5)
    with pytest.raises(ConfigError, match=r'evaluation.min_behaviour must lie between 0 and 1'):
        EvaluationConfig(min_behaviour=2)
