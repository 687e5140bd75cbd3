"""The manager's thread, with loads that end at the worst moment."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaiven.serving.server.manager import Manager, Settings
from vaiven.serving.server.modelconfig import Model
from vaiven.serving.server.source import VersionPolicy
from vaiven.serving.server.status import Code, StatusError
from vaiven.serving.server.version import State, Version


class Loaded:
    """What a load returns; nothing here asks it anything."""

    @property
    def model(self) -> 'Loaded':
        return self

    def close(self) -> None:
        pass


def load(version: Version) -> Any:
    if version.number == 2:
        raise StatusError(Code.NOT_FOUND, 'no graph')
    return Loaded()


def at_once(work: Callable[..., None], *arguments: Any) -> None:
    """Takes the place of the loading thread: the load is over before the manager looks again."""
    work(*arguments)


@pytest.fixture
def manager() -> Any:
    made = Manager(load, Settings(poll_seconds=0.05, load_retries=0))
    made._loaders.submit = at_once  # type: ignore[assignment, method-assign]
    yield made
    made.stop()


def test_a_version_that_fails_at_once_makes_room_for_the_one_before(manager: Manager, tmp_path: Path) -> None:
    for number in ('1', '2'):
        (tmp_path / number).mkdir()
    manager.configure([Model('m', tmp_path)])
    assert {v.number: v.state for v in manager.versions('m')} == {2: State.END, 1: State.AVAILABLE}


def test_when_every_version_fails_waiting_ends_with_the_reason(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / '2').mkdir()
    with pytest.raises(StatusError, match='no version of model m could be loaded: NOT_FOUND: no graph'):
        manager.configure([Model('m', tmp_path)])


@pytest.mark.parametrize('waits', [False, True])
def test_versions_with_labels_are_waited_for_where_the_settings_say_so(tmp_path: Path, waits: bool) -> None:
    """As the stock server does, one version is enough; not so for `vaiven serve`."""
    for number in ('1', '2', '3'):
        (tmp_path / number).mkdir()
    go = threading.Event()

    def slow_below_3(version: Version) -> Any:
        assert version.number == 3 or go.wait(60)
        return load(version)

    manager = Manager(
        slow_below_3, Settings(poll_seconds=0.05, load_retries=0, any_label=True, wait_for_labels=waits)
    )
    labels = {'stable': 1, 'broken': 2, 'gone': 9}
    model = Model('m', tmp_path, VersionPolicy(latest=None), labels)
    manager.configure([model], wait=False)
    waiting = threading.Thread(target=manager.wait_for, args=('m',))
    waiting.start()
    waiting.join(1)
    assert waiting.is_alive() == waits
    go.set()
    waiting.join(60)
    assert not waiting.is_alive()
    if waits:
        assert {v.number: v.state for v in manager.versions('m')} == {
            3: State.AVAILABLE, 2: State.END, 1: State.AVAILABLE
        }  # fmt: skip
    manager.stop()
