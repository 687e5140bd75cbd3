"""Which label a request gets."""

import random
from pathlib import Path

import pytest

from vaiven.serving.common.split import Split, SplitFile, write
from vaiven.serving.gateway.routing import Choice, Plan

PLAN = Split('críticas', {'canary': 7, 'b': 20, 'stable': 73}, 'a')
NAME = 'críticas'.encode()


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    write(tmp_path / 'split.json', PLAN)
    return Plan([SplitFile(tmp_path / 'split.json', 'críticas', every=0)])


def test_a_key_gets_its_label_as_text_and_as_bytes(plan: Plan) -> None:
    for key in ('ana', 'señora ñu', 'n\u0303', '😀', 'מפתח', 'x' * 10_000):
        assert plan.choose(NAME, False, key) == ('críticas', PLAN.label_of(key))
        assert plan.choose(NAME, False, key.encode()) == ('críticas', PLAN.label_of(key))


@pytest.mark.parametrize('key', [None, '', b''])
def test_without_a_key_chance_holds_the_weights(plan: Plan, key: str | bytes | None) -> None:
    random.seed(7)
    found = [plan.choose(NAME, False, key).label for _ in range(50_000)]
    for label, share in PLAN.weights.items():
        assert 100 * found.count(label) / len(found) == pytest.approx(share, abs=1)


def test_what_is_not_split_is_left_alone(plan: Plan, tmp_path: Path) -> None:
    assert plan.choose(b'others', False, 'ana') == Choice('other', '')
    assert plan.choose(b'\xff', False, 'ana') == Choice('other', '')
    assert plan.choose(NAME, True, 'ana') == Choice('críticas', '')
    (tmp_path / 'split.json').unlink()
    assert plan.choose(NAME, False, 'ana') == Choice('críticas', '')


def test_a_split_that_changes_is_followed(plan: Plan, tmp_path: Path) -> None:
    write(tmp_path / 'split.json', Split('críticas', {'new': 100, 'stable': 0}, 'b'))
    assert plan.choose(NAME, False, 'ana').label == 'new'
    (tmp_path / 'split.json').write_text('{')
    assert plan.choose(NAME, False, 'ana').label == 'new'
