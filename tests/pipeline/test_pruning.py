"""`vaiven prune`: what it removes, what it keeps, and that later runs agree."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.pipeline.test_store import query, run_toy
from vaiven.errors import UserError
from vaiven.pipeline.commands.prune import prune
from vaiven.pipeline.pruning import prunable_artifacts
from vaiven.pipeline.run_lock import RootBusyError, run_lock


@pytest.fixture
def root(tmp_path):
    """Three runs with other settings, so three artifacts of each of two components."""
    (tmp_path / 'mode').write_text('work')
    for text in ('one', 'two', 'three'):
        run_toy(tmp_path, text)
    return tmp_path


def pruned(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(prune, ['--root', str(root), *arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.output


def texts(root: Path) -> set[str]:
    return {path.read_text() for path in (root / 'artifacts' / 'Write').glob('model/*/text')}


def test_only_the_newest_run_of_each_component_stays(root):
    said = pruned(root)
    assert texts(root) == {'three'}
    assert said.splitlines()[-1] == '4 artifacts removed, 0.0 MB'
    assert len(list((root / 'artifacts' / 'Copy' / 'copy').iterdir())) == 1


def test_a_dry_run_says_the_same_and_changes_nothing(root):
    before = query(root, 'SELECT * FROM Artifact')
    said = pruned(root, '--dry-run')
    assert said.splitlines()[-1] == '4 artifacts would be removed, 0.0 MB'
    assert texts(root) == {'one', 'two', 'three'}
    assert query(root, 'SELECT * FROM Artifact') == before
    assert pruned(root).splitlines()[:-1] == said.splitlines()[:-1]


def test_keep_is_the_number_of_runs_that_stay(root):
    pruned(root, '--keep', '2')
    assert texts(root) == {'two', 'three'}


def test_a_pruned_artifact_is_neither_used_nor_reported_as_missing(root):
    pruned(root)
    assert run_toy(root, 'three') == ({'Write': True, 'Copy': True}, [])
    assert run_toy(root, 'one') == ({'Write': False, 'Copy': False}, [])
    assert set(json.loads((root / 'done.json').read_text())['Write']) == {'three', 'one'}


def test_the_lineage_of_a_served_version_and_the_last_blessed_model_stay(root):
    (root / 'serving' / 'toy' / '1').mkdir(parents=True)
    [[first], [second], _] = query(
        root, "SELECT Artifact.id FROM Artifact WHERE uri LIKE '%Write%' ORDER BY id"
    )
    [copy, *_] = query(root, "SELECT Artifact.id FROM Artifact WHERE uri LIKE '%Copy%' ORDER BY id")
    query(
        root,
        'INSERT INTO ArtifactProperty (artifact_id, name, is_custom_property, string_value) '
        f"VALUES ({copy[0]}, 'pushed_destination', 1, 'serving/toy/1')",
    )
    query(root, "INSERT INTO Type (name, type_kind) VALUES ('ModelBlessing', 1)")
    query(
        root,
        "INSERT INTO Artifact (type_id, uri, state) SELECT id, 'artifacts/Evaluator/blessing/99', 2 FROM Type "
        "WHERE name = 'ModelBlessing'",
    )
    [[blessing]] = query(root, "SELECT id FROM Artifact WHERE uri LIKE '%blessing%'")
    query(
        root,
        'INSERT INTO ArtifactProperty (artifact_id, name, is_custom_property, int_value) '
        f"VALUES ({blessing}, 'blessed', 1, 1), ({blessing}, 'current_model_id', 1, {second})",
    )
    with closing(sqlite3.connect(root / 'metadata.sqlite')) as store:
        found = [artifact.uri for artifact in prunable_artifacts(store, str(root), 1)]
    assert [uri.split('/')[1] for uri in found] == ['Copy']
    pruned(root)
    assert texts(root) == {'one', 'two', 'three'}
    assert first != second


def test_a_folder_that_the_metadata_do_not_know_is_removed(root):
    left = root / 'artifacts' / 'Write' / 'model' / '4711'
    left.mkdir()
    assert 'artifacts/Write/model/4711' in pruned(root)
    assert not left.exists()


def test_an_error_while_pruning_is_one_line(root, tmp_path):
    with pytest.raises(UserError, match=r'there are no runs in .*nowhere; choose another folder with --root'):
        pruned(tmp_path / 'nowhere')
    with run_lock(str(root)), pytest.raises(RootBusyError, match='another run'):
        pruned(root)
    with pytest.raises(
        UserError, match=r"--root must be a path on this machine. Received: 'gs://bucket/runs'"
    ):
        CliRunner().invoke(
            prune, ['--root', 'gs://bucket/runs'], standalone_mode=False, catch_exceptions=False
        )
