"""Which label a request gets."""

import random
from pathlib import Path

import pytest

from vaiven.serving.common.split import Split, SplitFile, write
from vaiven.serving.gateway.routing import Route, Router

SPLIT = Split('críticas', {'canary': 7, 'b': 20, 'stable': 73}, 'a')
NAME = 'críticas'.encode()


@pytest.fixture
def router(tmp_path: Path) -> Router:
    write(tmp_path / 'split.json', SPLIT)
    return Router([SplitFile(tmp_path / 'split.json', 'críticas', every=0)])


def test_a_key_gets_its_label_as_text_and_as_bytes(router: Router) -> None:
    for key in ('ana', 'señora ñu', 'n\u0303', '😀', 'מפתח', 'x' * 10_000):
        assert router.choose(NAME, False, key) == ('críticas', SPLIT.label_of(key))
        assert router.choose(NAME, False, key.encode()) == ('críticas', SPLIT.label_of(key))


@pytest.mark.parametrize('key', [None, '', b''])
def test_without_a_key_chance_holds_the_weights(router: Router, key: str | bytes | None) -> None:
    random.seed(7)
    found = [router.choose(NAME, False, key).label for _ in range(50_000)]
    for label, share in SPLIT.weights.items():
        assert 100 * found.count(label) / len(found) == pytest.approx(share, abs=1)


def test_what_is_not_split_is_left_alone(router: Router, tmp_path: Path) -> None:
    assert router.choose(b'others', False, 'ana') == Route('other', '')
    assert router.choose(b'\xff', False, 'ana') == Route('other', '')
    assert router.choose(NAME, True, 'ana') == Route('críticas', '')
    (tmp_path / 'split.json').unlink()
    assert router.choose(NAME, False, 'ana') == Route('críticas', '')


def test_a_split_that_changes_is_followed(router: Router, tmp_path: Path) -> None:
    write(tmp_path / 'split.json', Split('críticas', {'new': 100, 'stable': 0}, 'b'))
    assert router.choose(NAME, False, 'ana').label == 'new'
    (tmp_path / 'split.json').write_text('{')
    assert router.choose(NAME, False, 'ana').label == 'new'
