"""Who asks with a key gets the label that the split of a rollout says, and keeps it."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vaiven.serving.client import AsyncVaiven, Client, InvalidRequestError, Vaiven
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import Split, SplitFile, write
from vaiven.serving.server.server_process import ServerProcess


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
        with pytest.raises(ServingError, match='a split selects the label'):
            Vaiven(client, label='stable', split=split)
        with pytest.raises(ServingError, match='a key needs a traffic split'):
            Vaiven(client).sentiment('g', key='user-1')


class Relabelled:
    """In the place of a client: after some requests the canary is promoted, and its label goes."""

    def __init__(self, split: Path, after: int, *, promoted: bool = True) -> None:
        self.split = split
        self.asked: list[str] = []
        self._after = after
        self._promoted = promoted

    def predict(
        self, model: str, inputs: dict[str, Any], signature: str, label: str
    ) -> dict[str, np.ndarray]:
        self.asked.append(label)
        if len(self.asked) == self._after and self._promoted:
            write(self.split, Split('reviews'))
        if len(self.asked) >= self._after and label == 'canary':
            raise InvalidRequestError(
                'no label', 'INVALID_ARGUMENT', 'Unrecognized servable version label: canary'
            )
        return {'embedding': np.zeros((len(inputs['text']), 1), np.float32)}


class AsyncRelabelled(Relabelled):
    async def predict(self, *arguments: Any, **which: Any) -> dict[str, np.ndarray]:  # type: ignore[override]
        return super().predict(*arguments, **which)


def test_a_long_call_outlives_the_label_that_it_began_with(tmp_path: Path) -> None:
    split = tmp_path / 'split.json'
    settings: dict[str, Any] = {
        'split': SplitFile(split, 'reviews', every=0.0), 'batch_rows': 1, 'parallel': 1
    }  # fmt: skip
    expected = ['canary', 'canary', 'stable', 'canary', 'stable', 'canary', 'stable']
    for key in (None, 'user-1'):
        write(split, Split('reviews', {'canary': 100, 'stable': 0}))
        client = Relabelled(split, 2)
        assert len(Vaiven(client, **settings).embed(['a', 'b', 'c', 'd'], key=key)) == 4  # type: ignore[arg-type]
        assert client.asked == expected

        write(split, Split('reviews', {'canary': 100, 'stable': 0}))
        twin = AsyncRelabelled(split, 2)
        asking = AsyncVaiven(twin, **settings)  # type: ignore[arg-type]
        assert len(asyncio.run(asking.embed(['a', 'b', 'c', 'd'], key=key))) == 4
        assert twin.asked == expected


def test_a_label_that_the_split_still_names_is_not_replaced(tmp_path: Path) -> None:
    split = tmp_path / 'split.json'
    write(split, Split('reviews', {'canary': 100, 'stable': 0}))
    client = Relabelled(split, 1, promoted=False)
    asking = Vaiven(client, split=SplitFile(split, 'reviews', every=0.0))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError):
        asking.embed('a')
    assert client.asked == ['canary']
