"""Who gets which label."""

import errno
import json
from pathlib import Path

import pytest

from vaiven.serving.common import split
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import Split, SplitFile

KEYS = [f'usuario-{number}' for number in range(20_000)]


def shares(of):
    found = [of.label_of(key) for key in KEYS]
    return {label: 100 * found.count(label) / len(found) for label in set(found)}


def test_shares_follow_the_weights():
    found = shares(Split('reviews', {'canary': 10, 'stable': 90}, 'a'))
    assert found['canary'] == pytest.approx(10, abs=1)
    assert found['stable'] == pytest.approx(90, abs=1)


def test_a_growing_canary_only_gains_keys():
    before = Split('reviews', {'stable': 95, 'canary': 5}, 'a')
    after = Split('reviews', {'stable': 75, 'canary': 25}, 'a')
    had = {key for key in KEYS if before.label_of(key) == 'canary'}
    assert had
    assert all(after.label_of(key) == 'canary' for key in had)


def test_another_salt_begins_with_other_keys():
    first, second = (Split('reviews', {'canary': 10, 'stable': 90}, salt) for salt in 'ab')
    one, two = ({key for key in KEYS if each.label_of(key) == 'canary'} for each in (first, second))
    assert len(one & two) < 0.3 * len(one)


def test_keys_are_placed_the_same_on_every_machine():
    assert split.place_of('ñandú', 'reviews/7') == split.place_of('ñandú'.encode(), 'reviews/7')
    assert split.place_of('ñandú', 'reviews/7') == pytest.approx(81.54262355553948, abs=1e-9)
    assert 0 <= split.place_of('') < 100


def test_everything_or_nothing():
    assert shares(Split('reviews', {'canary': 0, 'stable': 100})) == {'stable': 100}
    assert shares(Split('reviews', {'canary': 100, 'stable': 0})) == {'canary': 100}
    assert Split('reviews', {'canary': 100, 'stable': 0}).label_at(99.999999) == 'canary'


@pytest.mark.parametrize(
    'weights',
    [
        {},
        {'stable': 99},
        {'stable': 110, 'canary': -10},
        {'stable': True, 'canary': 99},
        {'': 100},
        {'stable': '100'},
    ],
)
def test_weights_that_make_no_sense_are_refused(weights):
    with pytest.raises(ServingError, match='sum to 100'):
        Split('reviews', weights)


def test_a_file_is_written_whole_and_read_again(tmp_path):
    path = tmp_path / split.FILE
    wanted = Split('críticas', {'canary': 2.5, 'stable': 97.5}, 'críticas/7')
    split.write(path, wanted)
    assert split.find(path) == wanted
    assert [each.name for each in tmp_path.iterdir()] == [split.FILE]


@pytest.mark.parametrize(
    'content',
    ['', '{', '[]', '{"model": "a"}', '{"model": "a", "weights": 3}', '[' * 10_000, '{"weights": {}}'],
)
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / split.FILE
    path.write_text(content)
    with pytest.raises(ServingError) as refused:
        split.find(path)
    assert '\n' not in str(refused.value)


def test_a_watcher_sees_changes_and_keeps_the_last_good_one(tmp_path, caplog):
    path = tmp_path / split.FILE
    watched = SplitFile(path, 'reviews', every=0)
    assert watched.now().weights == {'stable': 100}
    assert watched.found() is None
    split.write(path, Split('reviews', {'canary': 10, 'stable': 90}))
    assert watched.now() == watched.found() == Split('reviews', {'canary': 10, 'stable': 90})
    path.write_text('{"half')
    assert watched.now().weights == {'canary': 10, 'stable': 90}
    assert 'stays as it was' in caplog.text
    path.write_text(json.dumps({'model': 'other', 'weights': {'stable': 100}}))
    assert watched.now().weights == {'canary': 10, 'stable': 90}
    path.unlink()
    assert watched.now().weights == {'stable': 100}


def test_a_watcher_that_could_not_read_once_tries_again(tmp_path, monkeypatch):
    path = tmp_path / split.FILE
    watched = SplitFile(path, 'reviews', every=0)
    split.write(path, Split('reviews', {'canary': 10, 'stable': 90}))
    assert watched.now().weights == {'canary': 10, 'stable': 90}
    split.write(path, Split('reviews'))

    def refused(self):
        raise OSError(errno.EMFILE, 'Too many open files')

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'read_bytes', refused)
        assert watched.now().weights == {'canary': 10, 'stable': 90}
    assert watched.now().weights == {'stable': 100}


def test_a_file_that_is_not_there_is_none_and_one_that_cannot_be_is_an_error(tmp_path):
    assert split.find(tmp_path / split.FILE) is None
    (tmp_path / 'file').touch()
    for path in (tmp_path / 'file' / split.FILE, tmp_path / ('x' * 300)):
        with pytest.raises(split.UnreadableError, match='cannot read'):
            split.find(path)
        with pytest.raises(ServingError, match='cannot write'):
            split.write(path, Split('reviews'))


def test_a_key_may_be_half_of_a_pair_and_a_salt_may_not(tmp_path):
    wanted = Split('reviews', {'canary': 50, 'stable': 50}, 'reviews/7')
    assert wanted.label_of('user-\ud800') in wanted.weights
    assert split.place_of(b'user-\xff'.decode('utf-8', 'surrogateescape')) == split.place_of(b'user-\xff')
    (tmp_path / split.FILE).write_text('{"model": "reviews", "weights": {"stable": 100}, "salt": "\\ud800"}')
    with pytest.raises(ServingError, match='are Unicode text'):
        split.find(tmp_path / split.FILE)
