"""The model of a command that reads its files: the one that the user named, or the newest pushed one."""

import os
from pathlib import Path

import pytest

from vaiven.serving.commands.connecting import NoModelError
from vaiven.serving.commands.local_models import find_local_model
from vaiven.serving.commands.options import Target
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire.messages import SavedModel

SERVING = Path('vaiven-runs/novel/serving/novel')


def saved_model(folder: Path, signature: str, age: int = 0) -> Path:
    model = SavedModel()
    model.meta_graphs.add().signature_def[signature].outputs['bits'].name = 'x'
    folder.mkdir(parents=True)
    (folder / 'saved_model.pb').write_bytes(model.SerializeToString())
    os.utime(folder, (1_700_000_000 - age, 1_700_000_000 - age))
    return folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two versions of a language model, and another model that was pushed later."""
    monkeypatch.chdir(tmp_path)
    saved_model(tmp_path / SERVING / '1', 'score', age=3)
    saved_model(tmp_path / SERVING / '2', 'score', age=2)
    saved_model(tmp_path / 'vaiven-runs/other/serving/other/1', 'embed', age=1)
    return tmp_path


def find(server: str = '127.0.0.1:8500', explicit: bool = True, **values) -> Path:
    target = Target(server, values.pop('model', ''), explicit=explicit, **values)
    return find_local_model(target, 'score', 'bits', 'vaiven try')


def test_the_newest_pushed_model_with_the_signature_is_used_and_reported(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(explicit=False) == SERVING / '2'
    assert capsys.readouterr().err == f'vaiven: using version 2 of {SERVING} in this process\n'
    assert find(explicit=False, version=1) == SERVING / '1'


@pytest.mark.parametrize(
    ('folder', 'version', 'found'), [('', None, '2'), ('', 1, '1'), ('1', None, '1'), ('1', 1, '1')]
)
def test_a_folder_is_a_model_or_holds_its_versions(
    runs: Path, folder: str, version: int | None, found: str
) -> None:
    assert find(f'saved-model:{SERVING / folder}', version=version) == SERVING / found


@pytest.mark.parametrize(
    ('server', 'values', 'said'),
    [
        ('127.0.0.1:8500', {}, 'cannot use a server'),
        ('https://models.example', {}, 'cannot use a server'),
        (f'saved-model:{SERVING}', {'label': 'stable'}, "only a server knows the label 'stable'"),
        (f'saved-model:{SERVING}', {'version': 3}, 'has no version 3; it has: 2, 1'),
        (f'saved-model:{SERVING}/1', {'version': 2}, 'is a single version: leave out --version'),
        ('saved-model:nowhere', {}, 'nowhere must be a SavedModel, or the folder of its versions'),
        ('saved-model:vaiven-runs/other/serving/other', {}, 'has no signature score'),
    ],
)
def test_what_is_no_language_model_here_is_refused(
    runs: Path, server: str, values: dict[str, object], said: str
) -> None:
    with pytest.raises(ServingError, match=said):
        find(server, **values)


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'model': 'other'}, "no pushed model 'other' with"),
        ({'version': 7}, 'no pushed model of version 7 with'),
    ],
)
def test_a_pushed_model_that_does_not_exist_is_a_failure(
    runs: Path, values: dict[str, object], said: str
) -> None:
    with pytest.raises(NoModelError, match=said):
        find(explicit=False, **values)
