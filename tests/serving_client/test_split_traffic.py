"""Who asks with a key gets the label that the split of a rollout says, and keeps it."""

import shutil
from pathlib import Path

import pytest

from vaiven.serving.client import Client, InvalidRequestError, Vaiven
from vaiven.serving.errors import ServingError
from vaiven.serving.process import ServerProcess
from vaiven.serving.split import Split, SplitFile, write


def test_a_key_keeps_its_version_and_calls_without_one_are_spread(pushed: Path, tmp_path: Path) -> None:
    for version in ('1', '2'):
        shutil.copytree(pushed / version, tmp_path / 'reviews' / version)
    config, split = tmp_path / 'models.config', tmp_path / 'split.json'
    config.write_text(
        f'model_config_list {{ config {{ name: "reviews" base_path: "{tmp_path}/reviews" '
        'model_platform: "tensorflow" model_version_policy { all {} } '
        'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 } } }'
    )
    flags = {'model_config_file': config, 'allow_version_labels_for_unavailable_models': True}
    with (
        ServerProcess('reviews', tmp_path / 'reviews', flags=flags) as server,
        Client(server.grpc_address) as client,
    ):
        client.wait_until_available('reviews', version=1, timeout=60)
        client.wait_until_available('reviews', version=2, timeout=60)
        watched = SplitFile(split, 'reviews', every=0.0)
        asking = Vaiven(client, 'reviews', split=watched)

        def version_of(key: str | None) -> float:
            return asking.embed('g', key=key)[0, 1]

        keys = [f'user-{number}' for number in range(30)]
        assert {version_of(key) for key in keys} == {1}  # no file yet: all to stable
        write(split, Split('reviews', {'canary': 50, 'stable': 50}, 'salt'))
        found = [version_of(key) for key in keys]
        expected = [1 if watched.now().label_of(key) == 'stable' else 2 for key in keys]
        assert found == expected == [version_of(key) for key in keys]
        assert {version_of(None) for _ in range(60)} == {1, 2}
        write(split, Split('reviews', {'gold': 100}))
        with pytest.raises(InvalidRequestError, match="has no label 'gold'"):
            version_of('user-1')


def test_a_split_beside_a_label_and_a_key_without_a_split_are_refused(tmp_path: Path) -> None:
    split = SplitFile(tmp_path / 'split.json', 'reviews')
    with Client('127.0.0.1:1') as client:
        with pytest.raises(ServingError, match='a split chooses the label'):
            Vaiven(client, label='stable', split=split)
        with pytest.raises(ServingError, match='a key is for a split of traffic'):
            Vaiven(client).sentiment('g', key='user-1')
