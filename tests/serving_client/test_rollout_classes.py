"""Gates and reports for classes of any kind: compared by name, with bounded outcomes for each class."""

import gzip
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vaiven.label_spec import NO_CLASS, LabelSpec
from vaiven.serving.client import NotFoundError
from vaiven.serving.commands.export import _write
from vaiven.serving.commands.rollout_compare import report_lines
from vaiven.serving.commands.rollout_status import COLUMNS, _cells
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.model_labels import CONFIG, Label, ModelLabels
from vaiven.serving.common.tfrecords import HEAD
from vaiven.serving.rollout import held_out
from vaiven.serving.rollout.answers import Answer, Pair, correctness, same
from vaiven.serving.rollout.class_report import differences, differences_line
from vaiven.serving.rollout.compare import Comparison
from vaiven.serving.rollout.drift import Drift
from vaiven.serving.rollout.gate import FAIL, PASS, WAIT
from vaiven.serving.rollout.gates import Gates, Limits
from vaiven.serving.rollout.lineage import Origin
from vaiven.serving.rollout.requests import Request, read_requests
from vaiven.serving.rollout.version_labels import compared_labels
from vaiven.serving.wire import messages

TOPICS = ('envío 📦', 'facturación', 'شكوى', 'otro')
ONLY_DRIFT = Limits(error_rate=None, latency_ratio=None, p99_ratio=None, agreement=None, accuracy_drop=None)


def texts(*values: str) -> np.ndarray:
    return np.array([value.encode() for value in values], object)


def outputs(classes: tuple[str, ...], table: list[list[float]], **others: Any) -> dict[str, np.ndarray]:
    """The outputs of `serving_default`."""
    rows = np.array(table, np.float32)
    return {
        'label': texts(*(classes[best] for best in rows.argmax(1))), 'score': rows.max(1), 'probabilities': rows,
        'classes': np.array([[name.encode() for name in classes]] * len(rows), object), **others,
    }  # fmt: skip


def answer(classes: tuple[str, ...], *probabilities: float) -> Answer:
    return Answer.from_outputs(0.001, outputs(classes, [list(probabilities)]))


def pair(old: Answer, new: Answer, label: Label | None = None) -> Pair:
    return Pair(Request({'text': ['¿ñ?']}, expected_label=label), old, new)


def verdicts(pairs: list[Pair], limits: Limits = ONLY_DRIFT) -> dict[str, str]:
    gates = Gates(limits)
    for each in pairs:
        gates.add(each)
    return {each.gate: each.verdict for each in gates.evaluate()}


def test_the_answer_of_each_kind_is_read() -> None:
    found = answer(TOPICS, 0.1, 0.7, 0.2, 0.0)
    assert (found.decisions, found.classes) == (('facturación',), TOPICS)
    assert found.scores == pytest.approx((0.7,))
    assert found.table()[0] == pytest.approx([0.1, 0.7, 0.2, 0.0])
    stars = Answer.from_outputs(1, outputs(('1', '2', '3'), [[0.2, 0.3, 0.5]], expected_value=np.ones(1)))
    assert stars.decisions == ('3',)
    tags = [[0.5, 0.4, 0.9, 0.1], [0.1] * 4]
    found = Answer.from_outputs(1, outputs(TOPICS, tags, labels=texts('any', '')))
    assert found.decisions == ({'envío 📦', 'شكوى'}, frozenset())
    spam = outputs(('ham', 'spam'), [[0.2, 0.8]], probability=np.array([0.8]))
    found = Answer.from_outputs(1, spam)
    assert (found.decisions, found.scores, found.probabilities) == (('spam',), (0.8,), None)
    assert found.table()[0] == pytest.approx([0.2, 0.8])


def test_what_earlier_versions_and_other_models_answer_is_read_as_before() -> None:
    earlier = {'label': texts('positive', 'negative'), 'probability': np.array([0.9, 0.2])}
    found = Answer.from_outputs(1, earlier)
    assert (found.decisions, found.scores) == (('positive', 'negative'), (0.9, 0.2))
    assert found.classes == ('negative', 'positive')
    found = Answer.from_outputs(1, {'outputs': np.array([[0.9], [0.1]])})
    assert (found.decisions, found.scores) == (('positive', 'negative'), (0.9, 0.1))
    found = Answer.from_outputs(1, {'logits': np.array([[0.1, 0.2, 0.7]])})
    assert (found.decisions, found.scores, found.classes) == (('2',), (0.7,), ())
    assert Answer.from_outputs(1, {'tokens': texts('a')}).decisions == ()
    empty = {'probabilities': np.zeros((0, 4), np.float32), 'classes': np.zeros((0, 4), object)}
    assert Answer.from_outputs(1, {**empty, 'label': texts()}) == Answer(1)


def test_decisions_are_the_same_in_another_spelling_of_the_class() -> None:
    assert same('Envi\u0301o', 'ENVÍO')
    assert same(frozenset({'a', 'B'}), frozenset({'b', 'A'}))
    assert not same(frozenset({'a'}), frozenset())
    assert not same('a', None)
    assert same('3.0', '3')


def test_a_decision_with_several_classes_may_be_right_in_part() -> None:
    true = frozenset({'a', 'b'})
    assert correctness(frozenset({'A', 'b'}), true) == 1
    assert correctness(frozenset({'a'}), true) == 0.5
    assert correctness(frozenset({'a', 'c'}), true) == pytest.approx(1 / 3)
    assert correctness(frozenset(), frozenset()) == 1
    assert correctness('a', true) == 0.5
    assert (correctness('a', 'A'), correctness('a', 'b'), correctness(None, 'a')) == (1, 0, 0)


def test_classes_in_another_order_do_not_drift_and_agree() -> None:
    old = answer(TOPICS, 0.1, 0.7, 0.2, 0.0)
    new = answer(TOPICS[::-1], 0.0, 0.2, 0.7, 0.1)
    limits = Limits(error_rate=None, latency_ratio=None, p99_ratio=None)
    assert set(verdicts([pair(old, new, 'Facturación')] * 2500, limits).values()) == {PASS}


def test_permuted_names_fail_although_every_column_is_as_before() -> None:
    old = answer(TOPICS, 0.1, 0.7, 0.2, 0.0)
    new = answer((*TOPICS[1:], TOPICS[0]), 0.1, 0.7, 0.2, 0.0)
    limits = Limits(error_rate=None, latency_ratio=None, p99_ratio=None)
    assert set(verdicts([pair(old, new, 'facturación')] * 2500, limits).values()) == {FAIL}


def test_a_class_that_only_one_version_has_is_no_class_of_the_other() -> None:
    old, new = answer(('a', 'b'), 0.3, 0.7), answer(('a', 'c', 'b'), 0.3, 0.0, 0.7)
    assert verdicts([pair(old, new)] * 2500) == {'drift': PASS}
    assert verdicts([pair(new, old)] * 2500) == {'drift': PASS}
    new = answer(('a', 'c', 'b'), 0.3, 0.1, 0.6)
    assert verdicts([pair(old, new)] * 2500) == {'drift': FAIL}
    assert verdicts([pair(new, old)] * 2500) == {'drift': FAIL}


def test_the_result_names_the_class_that_moved_furthest() -> None:
    gates = Gates(ONLY_DRIFT)
    for _ in range(500):
        gates.add(pair(answer(TOPICS, 0.1, 0.5, 0.3, 0.1), answer(TOPICS, 0.1, 0.4, 0.48, 0.02)))
    [result] = gates.evaluate()
    assert (result.verdict, result.class_name) == (FAIL, 'شكوى')
    assert result.estimate == pytest.approx(0.18, abs=0.01)
    assert result.low < 0.18 < result.high


def test_sentiment_and_two_other_classes_are_compared_by_the_positive_class() -> None:
    def two(classes: tuple[str, str], positive: float) -> Answer:
        probability = np.array([positive])
        return Answer.from_outputs(1, outputs(classes, [[1 - positive, positive]], probability=probability))

    earlier = Answer.from_outputs(1, {'label': texts('positive'), 'probability': np.array([0.8])})
    assert verdicts([pair(earlier, two(('negative', 'positive'), 0.8))] * 500) == {'drift': PASS}
    assert verdicts([pair(two(('ham', 'spam'), 0.8), two(('spam', 'ham'), 0.2))] * 500) == {'drift': PASS}
    assert verdicts([pair(two(('ham', 'spam'), 0.8), two(('spam', 'ham'), 0.8))] * 500) == {'drift': FAIL}
    three = answer(('negative', 'neutral', 'positive'), 0.2, 0.0, 0.8)
    assert verdicts([pair(earlier, three)] * 500) == {'drift': PASS}


def test_scores_of_many_classes_that_became_invalid_fail() -> None:
    old = answer(TOPICS, 0.1, 0.7, 0.2, 0.0)
    for new in (answer(TOPICS, math.nan, 0.7, 0.2, 0.0), Answer(1.0, decisions=('otro',)), Answer(1.0)):
        assert verdicts([pair(old, new)] * 500) == {'drift': FAIL}
    assert verdicts([pair(Answer(1.0), old)] * 500) == {'drift': 'nothing'}


def test_the_gate_on_many_classes_resumes_where_it_was_and_a_step_starts_without_outcomes() -> None:
    rng = np.random.default_rng(0)

    def draw() -> Pair:
        return pair(answer(TOPICS, *rng.dirichlet(np.ones(4))), answer(TOPICS, *rng.dirichlet(np.ones(4))))

    gate = Drift(0.05)
    for _ in range(100):
        gate.add(draw())
    again = Drift(0.05, json.loads(json.dumps(gate.state())))
    assert again.state() == gate.state()
    assert again.evaluate(0.01, 3) == gate.evaluate(0.01, 3)
    # As the journal is resumed after a decision for the next step.
    cleared = Drift(0.05, {**gate.state(), 'fresh': {}})
    gate.next_step()
    assert cleared.evaluate(0.01, 3) == gate.evaluate(0.01, 3)
    assert {name: sum(counts.values()) for name, counts in gate.state()['seen'].items()} == dict.fromkeys(
        TOPICS, 100
    )


def test_a_gate_with_one_score_has_the_state_of_earlier_versions() -> None:
    state = {'seen': {'0': 300, '0.02': 5}, 'fresh': {'0': 3}, 'passed': True}
    assert Drift(0.05, state).state() == state
    assert Drift(0.05, state).evaluate(0.01).verdict == PASS
    assert Drift(0.05, {'seen': {}, 'fresh': {}, 'passed': False}).evaluate(0.01).verdict == 'nothing'


@pytest.mark.slow
def test_a_version_at_its_limit_in_every_class_seldom_fails() -> None:
    rng = np.random.default_rng(1)
    before = np.full(6, 1 / 6)
    after = before + np.array([0.05, -0.05, 0.05, -0.05, 0.05, -0.05])
    names, wrong = tuple('abcdef'), 0
    certain = [answer(names, *row) for row in np.eye(6)]
    for _ in range(50):
        gate = Drift(0.05)
        failed = False
        for _ in range(10):
            for _ in range(30):
                gate.add(pair(certain[rng.choice(6, p=before)], certain[rng.choice(6, p=after)]))
            failed = failed or gate.evaluate(0.1).verdict == FAIL
        wrong += failed
    assert wrong <= 5


def test_a_thousand_classes_take_no_seconds() -> None:
    names = tuple(f'class {number}' for number in range(1000))
    rng = np.random.default_rng(2)
    gates = Gates(ONLY_DRIFT)
    old, new = (answer(names, *rng.dirichlet(np.ones(1000))) for _ in range(2))
    start = time.perf_counter()
    for _ in range(400):
        gates.add(pair(old, new))
    for _ in range(8):
        [result] = gates.evaluate()
    assert result.verdict == PASS
    assert time.perf_counter() - start < 10
    new = answer(names, *np.eye(1000)[7])
    for _ in range(100):
        gates.add(pair(old, new))
    [result] = gates.evaluate()
    assert (result.verdict, result.class_name) == (FAIL, 'class 7')


def test_how_classes_differ_is_one_line() -> None:
    assert differences(TOPICS, TOPICS) is None
    assert differences(('A', 'b'), ('a', 'B')) is None
    assert differences((), TOPICS) is None
    found = differences(('a', 'b', 'c'), ('c', 'd', 'a'))
    assert found == {'added': ['d'], 'removed': ['b'], 'reordered': True}
    assert differences_line(found) == (
        'only the new version has d; only the old version has b; their order differs; classes are compared by name'
    )
    many = differences(('a', 'b'), ('a', 'b', *(f'c{number}' for number in range(30))))
    assert many is not None
    assert differences_line(many) == (
        'only the new version has c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 20 more; classes are compared by name'
    )


def test_the_report_counts_by_class_and_shows_what_changed_most() -> None:
    comparison = Comparison()
    old = answer(TOPICS, 0.1, 0.7, 0.2, 0.0)
    changed = answer((*TOPICS, 'nuevo'), 0.6, 0.2, 0.2, 0.0, 0.0)
    comparison.extend([pair(old, old, 'facturación')] * 70)
    comparison.extend([pair(old, changed, 'facturación')] * 20 + [pair(old, changed, 'envío 📦')] * 10)
    report = json.loads(json.dumps({'model': 'm', 'old': 1, 'new': 2, **comparison.report()}))
    assert report['changes'] == [{'old': 'facturación', 'new': 'envío 📦', 'count': 30}]
    by_class = {figures['class']: figures for figures in report['classes']}
    assert by_class['facturación']['decided'] == {'old': 1.0, 'new': 0.7}
    assert by_class['facturación']['labelled'] == 90
    assert by_class['facturación']['recall']['new'] == pytest.approx(7 / 9)
    assert by_class['envío 📦']['recall'] == {'old': 0.0, 'new': 1.0}
    assert by_class['otro']['recall'] is None
    assert report['drift']['class'] in ('envío 📦', 'facturación')
    assert report['verdict'] == 'worse'
    lines = list(report_lines(report))
    assert '  changed       facturación → envío 📦 30' in lines
    assert any(
        line.startswith(
            '  facturación: 70.0% of rows against 100.0%, recall 77.8% against 100.0% of 90, score drift'
        )
        for line in lines
    )
    assert '  facturación → envío 📦 (wrong now)  ¿ñ?' in lines


def test_the_report_says_that_classes_differ() -> None:
    comparison = Comparison()
    comparison.extend(
        [pair(answer(TOPICS, 0.1, 0.7, 0.2, 0.0), answer((*TOPICS, 'nuevo'), 0, 1, 0, 0, 0))] * 3
    )
    report = comparison.report()
    assert [figures['class'] for figures in report['classes']] == [*TOPICS, 'nuevo']
    line = '  classes       only the new version has nuevo; classes are compared by name'
    assert line in list(report_lines({'model': 'm', 'old': 1, 'new': 2, **report}))


def test_the_report_of_several_classes_a_row_has_sets() -> None:
    def tags(*names: str) -> Answer:
        table = [[0.9 if name in names else 0.1 for name in TOPICS]]
        return Answer.from_outputs(1, outputs(TOPICS, table, labels=texts(';'.join(names))))

    comparison = Comparison()
    old, new, true = tags('otro', 'شكوى'), tags('otro'), frozenset({'otro', 'شكوى'})
    comparison.extend(
        [pair(old, old, true)] * 50 + [pair(old, new, true)] * 30 + [pair(old, tags(), true)] * 20
    )
    report = json.loads(json.dumps({'model': 'm', 'old': 1, 'new': 2, **comparison.report()}))
    assert report['accuracy']['new'] == pytest.approx(0.5 + 0.3 * 0.5)
    assert report['accuracy']['of_sets']
    assert report['agreement']['estimate'] == 0.5
    assert report['changes'][0] == {'old': ['otro', 'شكوى'], 'new': ['otro'], 'count': 30}
    lines = list(report_lines(report))
    assert '  changed       otro|شكوى → otro 30, otro|شكوى → (no class) 20' in lines
    assert any(line.endswith('(mean Jaccard index of the classes of a row)') for line in lines)
    assert report['classes'][3]['recall'] == {'old': 1.0, 'new': 0.8}


def test_the_report_of_many_classes_shows_only_the_largest_changes() -> None:
    names = tuple(f'class {number}' for number in range(50))
    comparison = Comparison()
    comparison.extend(
        [pair(answer(names, *np.eye(50)[n]), answer(names, *np.eye(50)[n + 1])) for n in range(40)]
    )
    report = comparison.report()
    assert report['classes'] is None
    assert len(report['changes']) == 10
    lines = list(report_lines({'model': 'm', 'old': 1, 'new': 2, **report}))
    assert sum('class 0 → class 1' in line for line in lines) == 2  # the changes, and an example


def test_waiting_is_said_of_the_class_that_moved_furthest_of_those_that_are_not_shown() -> None:
    gate = Drift(0.05)
    for _ in range(40):
        gate.add(pair(answer(('a', 'b', 'c'), 0.2, 0.3, 0.5), answer(('a', 'b', 'c'), 0.2, 0.26, 0.54)))
    result = gate.evaluate(0.01)
    assert result.verdict == WAIT
    assert result.class_name in 'bc'


def test_the_status_of_a_model_with_several_classes_shows_accuracy_and_macro_f1() -> None:
    row = {'version': 3, 'state': 'AVAILABLE', 'labels': [], 'percent': 0, 'error': ''}
    several = Origin(metrics={'accuracy': 0.75, 'macro_f1': 0.7012}, rows=1000)
    two = Origin(metrics={'binary_accuracy': 0.8, 'accuracy': 0.8, 'macro_f1': 0.7}, rows=1000)
    assert _cells(row, several)[4:7] == ['75.0%', '0.701', '1,000']
    assert _cells(row, two)[4:7] == ['80.0%', '', '1,000']
    assert len(_cells(row, None)) == len(_cells(row, two)) == len(COLUMNS)


def split_of(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes the examples of a split `test`."""
    path = folder / 'Split-test' / 'data.gz'
    path.parent.mkdir(parents=True)
    records = []
    for values in rows:
        example = messages.Example()
        for name, value in values.items():
            feature = example.features.feature[name]
            if isinstance(value, str):
                feature.bytes_list.value.append(value.encode())
            elif all(isinstance(item, int) for item in value):
                feature.int64_list.value.extend(value)
            else:
                feature.float_list.value.extend(value)
        data = example.SerializeToString()
        records.append(HEAD.pack(len(data), 0) + data + bytes(4))
    path.write_bytes(gzip.compress(b''.join(records)))
    return folder


def test_held_out_rows_have_the_classes_of_their_version(tmp_path: Path) -> None:
    folder = split_of(tmp_path, [
        {'text': 'uno', 'label': [2], 'probabilities': [0.1, 0.2, 0.7]},
        {'text': 'dos', 'label': [0]}, {'text': 'tres'},
    ])  # fmt: skip
    spec = LabelSpec('multiclass', ('اسم', '😀', 'ñ'))
    assert [row.expected_label for row in held_out.requests(folder, spec)] == ['ñ', 'اسم', None]
    assert next(held_out.rows(folder, 'test', spec))['probabilities'] == [0.1, 0.2, 0.7]
    with pytest.raises(
        ServingError, match=r'has the label \[2\], and the model has 2 classes: the examples are not'
    ):
        held_out.requests(folder, LabelSpec())


def test_held_out_rows_with_several_labels_are_sets_and_are_exported_and_read_back(tmp_path: Path) -> None:
    folder = split_of(tmp_path / 'examples', [
        {'text': 'uno', 'label': [0, 2]}, {'text': 'dos', 'label': [NO_CLASS]}, {'text': 'tres'},
        {'text': 'cuatro', 'label': [1]},
    ])  # fmt: skip
    classes = ('año', 'a;b', '😀')
    labels = ModelLabels.from_config(
        {'data': {'label_kind': 'multilabel', 'classes': classes, 'label_separator': ';'}}
    )
    expected = [{'año', '😀'}, frozenset(), None, {'a;b'}]
    assert [row.expected_label for row in held_out.requests(folder, labels.spec)] == expected
    rows = list(held_out.rows(folder, 'test', labels.spec))
    for ending in ('.csv', '.tsv', '.jsonl'):
        path = tmp_path / f'rows{ending}'
        with path.open('w', encoding='utf-8') as stream:
            _write(stream, ending, rows, labels.separator)
        read = read_requests(path, 'm', labels=labels)
        assert [row.expected_label for row in read] == expected, ending


def test_labels_are_spelled_as_the_version_compared_spells_them(tmp_path: Path) -> None:
    """Version 2 is compared with 1; version 3 is newer and spells its labels otherwise."""

    class Served:
        def predict(self, model: str, inputs: Any, *, version: int) -> dict[str, np.ndarray]:
            assert version in (1, 2)
            return outputs(('negative', 'positive'), [[0.2, 0.8]], probability=np.array([0.8]))

    for version, positive in ((1, 'good'), (2, 'bueno'), (3, 'bon')):
        config = tmp_path / str(version) / CONFIG
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({'data': {'positive_labels': [positive]}}))
    labels = compared_labels(Served(), 'm', tmp_path, 1, 2)  # type: ignore[arg-type]  # all that is called of a client
    assert labels.read('bueno', 'a') == 'positive'
    for other in ('bon', 'good'):
        with pytest.raises(ServingError):
            labels.read(other, 'a')


def test_files_of_another_model_than_the_server_has_are_not_believed(tmp_path: Path) -> None:
    class Served:
        def predict(self, model: str, inputs: Any, *, version: int) -> dict[str, np.ndarray]:
            if version == 9:
                raise NotFoundError('no such version', 'NOT_FOUND', '')
            return outputs(TOPICS if version == 2 else (*TOPICS[:3], 'viejo'), [[0.1, 0.2, 0.3, 0.4]])

    config = tmp_path / '2' / CONFIG
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({'data': {'label_kind': 'multiclass', 'classes': ['a', 'b', 'c']}}))
    served: Any = Served()
    labels = compared_labels(served, 'm', tmp_path, 1, 2)
    # The rows of a class that only the old version has are read, too.
    assert [labels.read(name, 'x') for name in ('OTRO', 'viejo')] == ['otro', 'viejo']
    with pytest.raises(ServingError, match="'a' is not one of the labels of the model"):
        labels.read('a', 'x')
    # A version that is not loaded and has no files may have other classes than the stable one.
    assert compared_labels(served, 'm', None, 2, 9).read(' Nuevo', 'x') == 'Nuevo'
    assert compared_labels(served, 'm', None, 2, 9).read('Otro', 'x') == 'otro'
