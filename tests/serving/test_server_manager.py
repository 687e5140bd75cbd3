"""The manager's thread, with loads that end at the worst moment."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_clients import wait_until

from vaiven.serving.common import version_folders
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.common.version_folders import VersionPolicy
from vaiven.serving.server import availability
from vaiven.serving.server.manager import Manager
from vaiven.serving.server.model_config import ModelConfig
from vaiven.serving.server.served_model import ServingOptions
from vaiven.serving.server.version import State, Version
from vaiven.serving.wire.messages import ModelSpec


class Loaded:
    """The result of a load; no test uses it."""

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
    """Replaces the loading thread: the load ends before the manager's next round."""
    work(*arguments)


@pytest.fixture
def manager() -> Any:
    made = Manager(load, ServingOptions(poll_seconds=0.05, load_retries=0))
    made._loaders.submit = at_once  # type: ignore[assignment, method-assign]
    yield made
    made.stop()


def test_a_version_that_fails_at_once_makes_room_for_the_one_before(manager: Manager, tmp_path: Path) -> None:
    for number in ('1', '2'):
        (tmp_path / number).mkdir()
    availability.wait(manager, manager.configure([ModelConfig('m', tmp_path)]))
    assert {v.number: v.state for v in manager.versions('m')} == {2: State.END, 1: State.AVAILABLE}


def test_when_every_version_fails_waiting_ends_with_the_reason(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / '2').mkdir()
    with pytest.raises(StatusError, match='no version of model m could be loaded: NOT_FOUND: no graph'):
        availability.wait(manager, manager.configure([ModelConfig('m', tmp_path)]))


@pytest.mark.parametrize('waits', [False, True])
def test_versions_with_labels_are_waited_for_where_the_options_say_so(tmp_path: Path, waits: bool) -> None:
    """One version is enough, as for the stock server, but not for `vaiven serve`."""
    for number in ('1', '2', '3'):
        (tmp_path / number).mkdir()
    go = threading.Event()

    def slow_below_3(version: Version) -> Any:
        assert version.number == 3 or go.wait(60)
        return load(version)

    manager = Manager(
        slow_below_3,
        ServingOptions(
            poll_seconds=0.05, load_retries=0, allow_unavailable_labels=True, wait_for_labels=waits
        ),
    )
    labels = {'stable': 1, 'broken': 2, 'gone': 9}
    model = ModelConfig('m', tmp_path, VersionPolicy(latest=None), labels)
    thread = threading.Thread(target=availability.wait, args=(manager, manager.configure([model])))
    thread.start()
    thread.join(1)
    assert thread.is_alive() == waits
    go.set()
    thread.join(60)
    assert not thread.is_alive()
    if waits:
        assert {v.number: v.state for v in manager.versions('m')} == {
            3: State.AVAILABLE, 2: State.END, 1: State.AVAILABLE
        }  # fmt: skip
    manager.stop()


@pytest.mark.parametrize('retries', [0, 5])
def test_a_version_that_vanishes_while_it_is_loaded_ends(tmp_path: Path, retries: int) -> None:
    for number in ('1', '2'):
        (tmp_path / number).mkdir()

    def vanishing(version: Version) -> Any:
        if version.number == 2:
            version.path.rmdir()
        return load(version)

    manager = Manager(vanishing, ServingOptions(poll_seconds=0.05, load_retries=retries, retry_seconds=0.05))
    availability.wait(manager, manager.configure([ModelConfig('m', tmp_path)]))
    wait_until(
        lambda: {v.number: v.state for v in manager.versions('m')} == {2: State.END, 1: State.AVAILABLE}
    )
    manager.stop()


def test_a_model_whose_folder_cannot_be_read_for_any_reason_leaves_the_others_alone(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'good' / '1').mkdir(parents=True)
    read = version_folders.versions

    def versions(base_path: Path) -> Any:
        if base_path.name == 'bad':
            raise RuntimeError('what nobody has thought of')
        return read(base_path)

    monkeypatch.setattr(version_folders, 'versions', versions)
    good = ModelConfig('good', tmp_path / 'good')
    manager.configure([ModelConfig('bad', tmp_path / 'bad'), good])
    availability.wait(manager, [good])
    assert manager.ready()
    assert manager.unready() == ['bad']


def test_with_one_look_at_the_disk_a_new_base_path_is_looked_at_too(tmp_path: Path) -> None:
    for folder in ('old', 'new'):
        (tmp_path / folder / '1').mkdir(parents=True)
    manager = Manager(load, ServingOptions(poll_seconds=0, load_retries=0))
    for folder in ('old', 'new'):
        availability.wait(manager, manager.configure([ModelConfig('m', tmp_path / folder)]))
        wait_until(lambda: [v.path for v in manager.versions('m')] == [tmp_path / folder / '1'])  # noqa: B023
    manager.stop()


@pytest.mark.parametrize(
    ('follows', 'labels', 'version'),
    [
        (False, {'stable': 1}, 3),  # the stock server's rule, labels or not
        (True, {'stable': 1}, 1),
        (True, {'canary': 1}, 3),
        (True, {'stable': 2}, 3),  # that one does not load
        (True, {}, 3),
    ],
)
def test_requests_without_version_get_the_stable_one_where_the_options_say_so(
    tmp_path: Path, follows: bool, labels: dict[str, int], version: int
) -> None:
    for number in ('1', '2', '3'):
        (tmp_path / number).mkdir()
    options = ServingOptions(
        poll_seconds=0.05,
        load_retries=0,
        allow_unavailable_labels=True,
        wait_for_labels=True,
        follow_stable=follows,
    )
    manager = Manager(load, options)
    everything = ModelConfig('m', tmp_path, VersionPolicy(latest=None), labels)
    availability.wait(manager, manager.configure([everything]))
    wait_until(lambda: all(v.state in (State.AVAILABLE, State.END) for v in manager.versions('m')))
    with manager.acquire(ModelSpec(name='m')) as acquired:
        assert acquired.number == version
    with manager.acquire(ModelSpec(name='m', version={'value': 3})) as acquired:
        assert acquired.number == 3
    manager.stop()
