"""The label `stable` moves between loaded versions, and the server alone knows where it is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vaiven.serving.client import Client, NotFoundError, RequestError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration, serving_folder
from vaiven.serving.rollout.delivery import ByReload
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.server_state import model_state
from vaiven.serving.server.server_process import ServerProcess


@pytest.fixture
def base_path(pushed: Path, tmp_path: Path) -> Path:
    base = tmp_path / 'reviews'
    shutil.copytree(pushed, base)
    return base


@pytest.fixture
def client(base_path: Path) -> Iterator[Client]:
    """A server as TensorFlow Serving starts by default: only the newest version is loaded."""
    with ServerProcess('reviews', base_path) as running, Client(running.grpc_address) as made:
        yield made


def rollout_of(client: Client, base_path: Path) -> Rollout:
    return Rollout(client, 'reviews', configuration.single_model_config('reviews', base_path))


def version_that_answers(client: Client, label: str | None = 'stable') -> float:
    return client.predict('reviews', {'text': ['g']}, signature='embed', label=label)['embedding'][0, 1]


def test_promote_and_roll_back_and_forth(client: Client, base_path: Path) -> None:
    rollout = rollout_of(client, base_path)
    assert model_state(client, 'reviews').available == [3]
    assert model_state(client, 'reviews').stable is None
    with pytest.raises(ServingError, match='promote one first'):
        rollout.rollback()

    change = rollout.promote(3)
    assert (change.previous_stable, change.stable) == (None, 3)
    assert version_that_answers(client) == 3.0

    # Nothing lower is loaded: the last that was pushed before is loaded, then labelled.
    change = rollout.rollback()
    assert (change.previous_stable, change.stable) == (3, 2)
    assert version_that_answers(client) == 2.0
    assert version_that_answers(client, label=None) == 3.0

    # Another process has no memory of this one, and goes on from what the server says.
    assert rollout_of(client, base_path).rollback().stable == 1
    with pytest.raises(ServingError, match='there is no lower version'):
        rollout.rollback()
    assert version_that_answers(client) == 1.0

    assert rollout.promote(3).previous_stable == 1
    assert version_that_answers(client) == 3.0


def test_what_is_pushed_later_waits_to_be_promoted(client: Client, base_path: Path) -> None:
    rollout_of(client, base_path).promote(3)
    shutil.copytree(base_path / '1', base_path / '4')
    with pytest.raises(RequestError):
        client.wait_until_available('reviews', version=4, timeout=2.5)
    assert rollout_of(client, base_path).promote(4).loaded == [4, 3]
    assert model_state(client, 'reviews').stable == 4


def test_a_version_that_cannot_be_loaded_leaves_stable_where_it_was(client: Client, base_path: Path) -> None:
    rollout = rollout_of(client, base_path)
    rollout.promote(3)
    (base_path / '5').mkdir()
    (base_path / '5' / 'saved_model.pb').write_bytes(b'no model')
    with pytest.raises(RequestError, match='version 5 of model'):
        rollout.promote(5, timeout=30)
    assert model_state(client, 'reviews').stable == 3
    assert version_that_answers(client) == 3.0
    assert rollout.promote(2).stable == 2


def test_a_version_that_is_not_there_is_refused_at_once(client: Client, base_path: Path) -> None:
    with pytest.raises(ServingError, match='has no version 9; it has: 3, 2, 1'):
        rollout_of(client, base_path).promote(9)


def test_another_folder_than_the_served_one_is_refused(
    client: Client, base_path: Path, tmp_path: Path
) -> None:
    other = tmp_path / 'other'
    shutil.copytree(base_path / '1', other / '1')
    with pytest.raises(ServingError, match='name the folder that it serves'):
        rollout_of(client, other).promote(1)
    assert model_state(client, 'reviews').available == [3]


def test_the_other_models_of_a_configuration_file_are_kept(
    client: Client, base_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / 'models.config'
    path.write_text(
        f'model_config_list {{ config {{ name: "reviews" base_path: "{base_path}" model_platform: "tensorflow" }} '
        f'config {{ name: "novel" base_path: "{base_path}" model_platform: "tensorflow" '
        'model_version_policy { specific { versions: 1 } } } }'
    )
    rollout = Rollout(client, 'reviews', configuration.read(path), delivery=ByReload(client, path))
    rollout.promote(2)
    assert model_state(client, 'novel').available == [1]
    part = configuration.model_entry(configuration.read(path), 'reviews')
    assert dict(part.version_labels) == {'stable': 2}
    assert [each.name for each in path.parent.iterdir() if each.name.startswith('.models')] == []


def test_an_unknown_model_is_refused(client: Client, base_path: Path) -> None:
    with pytest.raises(NotFoundError):
        model_state(client, 'films')
    with pytest.raises(ServingError, match="no model 'films'; it has: reviews"):
        Rollout(client, 'films', configuration.single_model_config('reviews', base_path))


@pytest.mark.parametrize('text', ['model_config_list {', 'nonsense: 1'])
def test_a_broken_configuration_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'models.config'
    path.write_text(text)
    with pytest.raises(ServingError, match='Error parsing text-format'):
        configuration.read(path)


def test_the_folder_pushed_to_last_is_found(tmp_path: Path) -> None:
    assert serving_folder.newest(root=tmp_path) is None
    for name in ('a', 'b', 'c'):
        (tmp_path / 'vaiven-runs' / name / 'serving' / name).mkdir(parents=True)
    (tmp_path / 'vaiven-runs/b/serving/b/12').mkdir()
    (tmp_path / 'vaiven-runs/b/serving/b/9').mkdir()
    (tmp_path / 'vaiven-runs/b/serving/b/.incoming-3').mkdir()
    found = serving_folder.newest(root=tmp_path)
    assert found == tmp_path / 'vaiven-runs/b/serving/b'
    assert serving_folder.versions(found) == [12, 9]
    assert serving_folder.newest('a', tmp_path) is None
