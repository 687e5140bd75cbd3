"""A canary gets its share and nothing else, on a server that reloads and on one that only polls its file."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from vaiven.serving.client import Client, RequestError
from vaiven.serving.client.results import VersionStatus
from vaiven.serving.commands import rollout as commands
from vaiven.serving.common import files
from vaiven.serving.common import split as splits
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration, prune, serving_folder
from vaiven.serving.rollout.delivery import ByFile
from vaiven.serving.rollout.rollout import Change, Rollout
from vaiven.serving.rollout.server_state import ModelState, model_state
from vaiven.serving.server.server_process import ServerProcess


@pytest.fixture
def base_path(pushed: Path, tmp_path: Path) -> Path:
    base = tmp_path / 'reviews'
    shutil.copytree(pushed, base)
    return base


@pytest.fixture
def client(base_path: Path) -> Iterator[Client]:
    with ServerProcess('reviews', base_path) as running, Client(running.grpc_address) as made:
        yield made


@pytest.fixture
def rollout(client: Client, base_path: Path) -> Rollout:
    return Rollout(client, 'reviews', configuration.single_model_config('reviews', base_path))


def written(base_path: Path) -> dict:
    return json.loads((base_path / 'split.json').read_text())


def test_a_canary_is_labelled_and_gets_its_share_and_the_promotion_takes_both_away(
    rollout: Rollout, base_path: Path
) -> None:
    with pytest.raises(ServingError, match='promote one first'):
        rollout.canary(3, 10)
    rollout.promote(1)
    change = rollout.canary(2, 10)
    assert (change.previous_stable, change.stable, change.canary, change.percent) == (1, 1, 2, 10)
    assert rollout.state().labels == {'stable': 1, 'canary': 2}
    assert written(base_path) == {
        'model': 'reviews', 'salt': 'reviews/2', 'weights': {'canary': 10, 'stable': 90}
    }  # fmt: skip
    before = rollout.split()
    rollout.canary(2, 50)
    after = rollout.split()
    keys = [f'ñ-{number}' for number in range(2000)]
    assert {key for key in keys if before.label_of(key) == 'canary'} < {
        key for key in keys if after.label_of(key) == 'canary'
    }
    with pytest.raises(ServingError, match=r'version 2 of .* is the canary: promote it or roll it back'):
        rollout.canary(3, 10)
    with pytest.raises(
        ServingError, match=r'version 1 of .* is stable, and the canary must be another version'
    ):
        rollout.canary(1, 10)

    change = rollout.promote()
    assert (change.previous_stable, change.stable, change.canary) == (1, 2, None)
    assert rollout.state().labels == {'stable': 2}
    assert written(base_path)['weights'] == {'stable': 100}
    with pytest.raises(ServingError, match='has no canary: name the version'):
        rollout.promote()


def test_a_rollback_takes_the_canary_back_and_unloads_it_and_the_next_one_goes_lower(
    rollout: Rollout, base_path: Path
) -> None:
    rollout.promote(2)
    rollout.canary(3, 25)
    change = rollout.rollback()
    assert (change.stable, change.withdrawn) == (2, 3)
    now = rollout.state()
    assert now.labels == {'stable': 2}
    assert 3 not in now.available
    assert written(base_path)['weights'] == {'stable': 100}
    assert rollout.rollback().stable == 1


def test_what_a_killed_rollback_left_is_finished_and_not_taken_for_another_one(
    rollout: Rollout, client: Client, base_path: Path
) -> None:
    rollout.promote(2)
    halfway = configuration.with_versions(
        configuration.single_model_config('reviews', base_path), 'reviews', {2, 3}, {'stable': 2, 'canary': 2}
    )
    client.reload_config(halfway)
    change = rollout.rollback()
    assert (change.stable, change.withdrawn) == (2, None)
    assert rollout.state().labels == {'stable': 2}


def test_a_canary_that_cannot_be_loaded_changes_nothing(rollout: Rollout, base_path: Path) -> None:
    rollout.promote(3)
    before = (rollout.state().available, rollout.state().labels)
    (base_path / '4').mkdir()
    (base_path / '4' / 'saved_model.pb').write_bytes(b'no model')
    with pytest.raises(RequestError, match='version 4 of model'):
        rollout.canary(4, 10, timeout=30)
    assert (rollout.state().available, rollout.state().labels) == before
    assert written(base_path)['weights'] == {'stable': 100}


@pytest.mark.parametrize('percent', [-1, 100.5, float('nan')])
def test_a_share_that_is_none_is_refused(rollout: Rollout, percent: float) -> None:
    with pytest.raises(ServingError, match='percents by label that sum to 100'):
        rollout.canary(2, percent)


def test_a_split_that_cannot_be_written_leaves_the_server_alone(client: Client, base_path: Path) -> None:
    config = configuration.single_model_config('reviews', base_path)
    Rollout(client, 'reviews', config).promote(2)
    elsewhere = Rollout(client, 'reviews', config, split_path=base_path / 'none' / 'split.json')
    with pytest.raises(ServingError, match=r'cannot write .*split\.json: No such file'):
        elsewhere.canary(3, 10)
    assert model_state(client, 'reviews').labels == {'stable': 2}


def test_a_pinned_server_has_one_version_and_loads_no_newer_one(
    rollout: Rollout, client: Client, base_path: Path
) -> None:
    rollout.promote(2)
    rollout.canary(3, 10)
    change = rollout.pin(2)
    assert (change.stable, change.loaded, change.withdrawn) == (2, [2], 3)
    shutil.copytree(base_path / '1', base_path / '4')
    with pytest.raises(RequestError):
        client.wait_until_available('reviews', version=4, timeout=2.5)
    now = rollout.state()
    assert (now.available, now.labels) == ([2], {'stable': 2})
    assert rollout.promote(4).stable == 4


def test_callers_who_follow_the_split_never_fail(rollout: Rollout, client: Client, base_path: Path) -> None:
    """Through every move: each asks for the label that the split, as it last saw it, gives its key."""
    rollout.promote(1)
    stop = threading.Event()
    failures: list[str] = []
    seen: set[float] = set()

    def call(number: int) -> None:
        watched = splits.SplitFile(base_path / 'split.json', 'reviews')
        asked = 0
        while not stop.is_set():
            label = watched.now().label_of(f'{number}-{asked}')
            asked += 1
            try:
                answer = client.predict('reviews', {'text': ['g']}, signature='embed', label=label)
                seen.add(float(answer['embedding'][0, 1]))
            except RequestError as error:
                failures.append(f'{label}: {error}')

    threads = [threading.Thread(target=call, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for percent in (10, 100):
            rollout.canary(2, percent)
            time.sleep(1.2)
        rollout.promote()
        rollout.canary(3, 50)
        time.sleep(1.2)
        rollout.rollback()
        rollout.rollback()
        rollout.pin(1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert seen == {1.0, 2.0, 3.0}


def test_a_server_that_polls_its_file_is_moved_by_the_file_alone(base_path: Path, tmp_path: Path) -> None:
    path = tmp_path / 'models.config'
    path.write_text(
        f'model_config_list {{ config {{ name: "reviews" base_path: "{base_path}" model_platform: "tensorflow" '
        'model_version_policy { specific { versions: 1 } } } }'
    )
    flags = {'model_config_file': path, 'model_config_file_poll_wait_seconds': 1}
    with ServerProcess('reviews', base_path, flags=flags) as server, Client(server.rest_url) as client:
        rollout = Rollout(client, 'reviews', configuration.read(path), delivery=ByFile(path))
        rollout.promote(1)
        rollout.canary(2, 30)
        assert rollout.state().labels == {'stable': 1, 'canary': 2}
        assert rollout.promote().stable == 2
        assert rollout.rollback().stable == 1
        assert rollout.state().labels == {'stable': 1}
    assert dict(configuration.model_entry(configuration.read(path), 'reviews').version_labels) == {
        'stable': 1
    }


def test_servers_that_poll_at_other_moments_follow_before_anybody_asks_them(
    base_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / 'models.config'
    path.write_text(
        f'model_config_list {{ config {{ name: "reviews" base_path: "{base_path}" model_platform: "tensorflow" '
        'model_version_policy { specific { versions: 1 } } version_labels { key: "stable" value: 1 } } }'
    )
    flags = {'model_config_file': path, 'allow_version_labels_for_unavailable_models': True}
    quick, slow = (
        ServerProcess('reviews', base_path, flags={**flags, 'model_config_file_poll_wait_seconds': seconds})
        for seconds in (1, 4)
    )
    with quick, slow, Client(quick.rest_url) as asked, Client(slow.rest_url) as other:
        rollout = Rollout(asked, 'reviews', configuration.read(path), delivery=ByFile(path, 6))
        rollout.canary(2, 30)
        assert model_state(other, 'reviews').labels == {'stable': 1, 'canary': 2}
        # A version without a label would be unknown to the slow one, which refuses the whole file then.
        rollout.promote(3)
        assert 3 in model_state(other, 'reviews').available


@pytest.mark.parametrize(
    'command', [['canary', '2', '--percent', '5'], ['promote', '2'], ['rollback'], ['pin', '2']]
)
def test_loading_has_a_time_of_its_own(
    command: list[str], base_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = []

    def noted(self: Rollout, *arguments: float) -> Change:
        assert self.client.timeout == 7
        allowed.append(arguments[-1])
        return Change(1, 2, [2, 1])

    monkeypatch.setattr(Rollout, command[0], noted)
    for options in ([], ['--load-timeout', '500']):
        everything = [*command, '--timeout', '7', '--base-path', str(base_path), *options]
        answer = CliRunner().invoke(commands.rollout, everything)
        assert answer.exit_code == 0, answer.output
    assert allowed == [120, 500]


def test_settling_is_for_servers_that_poll(base_path: Path, tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        commands.rollout, ['promote', '2', '--settle', '9', '--base-path', str(base_path)]
    )
    assert answer.exit_code == 2
    assert '--settle requires --polled' in answer.output


@pytest.mark.parametrize('version', [str(1 << 63), '1' * 5000, '-1'])
def test_a_version_that_the_api_cannot_say_is_refused(version: str) -> None:
    for command in ('canary', 'promote', 'pin'):
        percent = ['--percent', '1'] if command == 'canary' else []
        answer = CliRunner().invoke(commands.rollout, [command, *percent, '--', version])
        assert (answer.exit_code, isinstance(answer.exception, SystemExit)) == (2, True)
        assert 'range' in answer.output


def test_a_file_that_nobody_polls_is_put_back_and_told(
    client: Client, base_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / 'models.config'
    files.replace_message(path, configuration.single_model_config('reviews', base_path))
    text = path.read_text()
    rollout = Rollout(client, 'reviews', configuration.read(path), delivery=ByFile(path))
    with pytest.raises(ServingError, match='model_config_file_poll_wait_seconds'):
        rollout.promote(3, timeout=2)
    with pytest.raises(ServingError, match='version 2 is not loaded'):
        rollout.promote(2, timeout=2)
    assert path.read_text() == text


def test_prune_deletes_nothing_while_no_version_is_stable() -> None:
    started_again = ModelState([VersionStatus(9, 'AVAILABLE', '')])
    with pytest.raises(ServingError, match='no version has the label stable'):
        prune.unneeded([9, 8, 3], started_again, 1, set())


def test_prune_deletes_what_is_in_no_use(rollout: Rollout, client: Client, base_path: Path) -> None:
    for version in range(4, 9):
        shutil.copytree(base_path / '1', base_path / str(version))
    (base_path / '.pruned-0-1').mkdir()
    rollout.promote(5)
    rollout.canary(6, 10)
    # 3 was loaded first and is still; 7 and 8 are newer than stable; 4 is what a rollback would take.
    now = rollout.state()
    assert prune.unneeded(serving_folder.versions(base_path), now, 1, set()) == [2, 1]
    # What a rollout that was stopped is about stays, too.
    begun = {'model': 'reviews', 'event': 'begin', 'version': 2, 'stable': 3, 'plan': {}}
    record = base_path / 'rollout.jsonl'
    record.write_text(json.dumps(begun) + '\n')
    pruning = ['prune', '--keep', '1', '--server', client.address, '--base-path', str(base_path), '--json']
    answer = CliRunner().invoke(commands.rollout, [*pruning, '--dry-run'])
    assert json.loads(answer.stdout)['deleted'] == [1]
    record.write_text('{"model": "reviews", "event": "begin"}\n')
    with pytest.raises(ServingError, match='is not a journal of rollouts'):
        prune.versions_in_rollout(base_path, 'reviews')
    chosen = prune.unneeded(serving_folder.versions(base_path), now, 6, set())
    assert list(prune.delete(base_path, chosen)) == [1, 2]
    assert serving_folder.versions(base_path) == [8, 7, 6, 5, 4, 3]
    assert list(base_path.glob('.pruned-*')) == []
