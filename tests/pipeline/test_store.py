"""A folder of runs that is moved, restored in part, or partly deleted."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.pipeline.toy_components import toy_pipeline
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.errors import UserError
from vaiven.pipeline.beam_options import beam_args
from vaiven.pipeline.completed import CompletedComponents
from vaiven.pipeline.config import PlacementConfig
from vaiven.pipeline.paths import RunPaths
from vaiven.pipeline.runner import ComponentResult, run
from vaiven.pipeline.store import MissingArtifact, StoreError
from vaiven.pipeline.workspace import synchronize_store, workspace

BRACKETS = 'Proyecto [2026] *?'


@pytest.fixture
def root(tmp_path):
    root = tmp_path / BRACKETS
    root.mkdir()
    (root / 'mode').write_text('work')
    return root


def run_toy(root: Path, text: str = 'hello') -> tuple[dict[str, bool], list[MissingArtifact]]:
    """Which components came from the cache, and the artifacts that were missing before."""
    done = CompletedComponents(str(root))

    def on_end(step: ComponentResult) -> None:
        uris = [output.uri for outputs in step.outputs.values() for output in outputs]
        done.add(step.name, text, uris)

    with workspace(PlacementConfig(), DataFiles(()), RunPaths(str(root), 'toy')):
        missing = synchronize_store(str(root), '', done)
        steps = run(toy_pipeline(Path(), text), (), {}, lambda name, number, count: None, on_end)
    return {step.name: step.cached for step in steps}, missing


def query(root: Path, text: str) -> list[tuple]:
    with closing(sqlite3.connect(root / 'metadata.sqlite')) as store:
        found = store.execute(text).fetchall()
        store.commit()
        return found


def test_a_moved_folder_keeps_its_cache_also_below_brackets(root):
    assert run_toy(root) == ({'Write': False, 'Copy': False}, [])
    moved = root.parent / 'elsewhere [x]' / 'deeper'
    moved.parent.mkdir()
    shutil.move(root, moved)
    assert run_toy(moved) == ({'Write': True, 'Copy': True}, [])
    addresses = query(moved, 'SELECT uri FROM Artifact')
    assert all((moved / uri).is_dir() and not uri.startswith('/') for (uri,) in addresses)


def test_a_copied_folder_uses_its_own_files(root):
    run_toy(root)
    copy = shutil.copytree(root, root.parent / 'copy')
    [(uri,)] = query(copy, "SELECT uri FROM Artifact JOIN Type ON Type.id = type_id WHERE uri LIKE '%Write%'")
    (copy / uri / 'text').unlink()
    found, [missing] = run_toy(copy)
    assert found == {'Write': False, 'Copy': False}
    assert missing == MissingArtifact('Model', uri, f'{uri}/text')
    assert (root / uri / 'text').exists()


@pytest.mark.parametrize('change', ['remove', 'truncate'])
def test_an_artifact_without_one_of_its_files_is_named_and_made_again(root, change):
    run_toy(root)
    [path] = (root / 'artifacts' / 'Copy' / 'copy').glob('*/text')
    path.unlink() if change == 'remove' else path.write_text('')
    found, missing = run_toy(root)
    assert found == {'Write': True, 'Copy': False}
    assert [artifact.path for artifact in missing] == [str(path.relative_to(root))]


def test_an_artifact_that_is_back_is_used_again(root):
    run_toy(root)
    shutil.move(root / 'artifacts', root / 'aside')
    with workspace(PlacementConfig(), DataFiles(()), RunPaths(str(root), 'toy')):
        assert len(synchronize_store(str(root), '', CompletedComponents(str(root)))) == 2
    shutil.move(root / 'aside', root / 'artifacts')
    assert run_toy(root) == ({'Write': True, 'Copy': True}, [])


def test_absolute_addresses_of_an_old_root_are_rewritten_and_nothing_else_is(root):
    run_toy(root)
    old = '/mnt/old [1]/runs'
    query(root, f"UPDATE Artifact SET uri = '{old}/' || uri")
    query(
        root,
        'INSERT INTO ArtifactProperty (artifact_id, name, is_custom_property, string_value) VALUES '
        f"(1, 'current_model_uri', 1, '{old}/artifacts/Write/model/1'), (1, 'pushed_destination', 1, "
        f"'{old}/serving/toy/1'), (1, 'source', 1, '/mnt/old [1]/other'), (1, 'reason', 1, '{old}/x')",
    )
    query(root, "INSERT INTO Artifact (type_id, uri, state) VALUES (1, '/elsewhere/data.csv', 0)")
    before = query(root, 'SELECT id, last_update_time_since_epoch FROM Artifact')
    synchronize_store(str(root), '', CompletedComponents(str(root)))
    addresses = [uri for (uri,) in query(root, 'SELECT uri FROM Artifact ORDER BY id')]
    assert addresses[-1] == '/elsewhere/data.csv'
    assert all(uri.startswith('artifacts/') for uri in addresses[:-1])
    properties = dict(query(root, "SELECT name, string_value FROM ArtifactProperty WHERE name != 'text'"))
    assert properties['current_model_uri'] == 'artifacts/Write/model/1'
    assert properties['pushed_destination'] == 'serving/toy/1'
    assert properties['source'] == '/mnt/old [1]/other'
    assert properties['reason'] == f'{old}/x'
    assert query(root, 'SELECT id, last_update_time_since_epoch FROM Artifact') == before


@pytest.mark.parametrize('content', [b'not a database' * 100, b''])
def test_a_damaged_store_is_reported_in_one_line(root, content):
    (root / 'metadata.sqlite').write_bytes(content)
    if content:
        with pytest.raises(StoreError, match=r'metadata\.sqlite is damaged .*; restore it') as raised:
            synchronize_store(str(root), '', CompletedComponents(str(root)))
        assert '\n' not in str(raised.value)
    else:  # made by a run that was killed at once
        assert synchronize_store(str(root), '', CompletedComponents(str(root))) == []


def test_workers_elsewhere_get_absolute_paths_and_no_patterns(tmp_path):
    remote = PlacementConfig(('--runner=FlinkRunner',))
    paths, files = RunPaths(str(tmp_path), 'toy'), DataFiles(('/data/a.csv',))
    with workspace(remote, files, paths) as given:
        assert given == (files, paths)
    with pytest.raises(UserError, match=r'must not contain "\*", "\?" or "\["'):
        workspace(remote, files, RunPaths('/runs [x]', 'toy')).__enter__()


def test_tfx_packs_nothing_for_workers_in_this_process(monkeypatch):
    from tfx.utils import dependency_utils

    packed = []
    monkeypatch.setattr(dependency_utils, 'build_ephemeral_package', lambda: packed.append(1) or 'tfx.tar.gz')
    dependency_utils.make_beam_dependency_flags(beam_args(PlacementConfig()))
    assert packed == []
    flags = dependency_utils.make_beam_dependency_flags(beam_args(PlacementConfig(('--runner=FlinkRunner',))))
    assert flags[-1] == '--extra_package=tfx.tar.gz'
