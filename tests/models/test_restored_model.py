"""The network that is rebuilt from an exported model gives the values of its signature `score`."""

import shutil
from pathlib import Path

import pytest

from tests.models.restored import require_signature_values
from vaiven.models.export.restored_model import CONFIG_PATH, RestoredModel, RestoreError
from vaiven.models.text.tokenization import BOS_ID, EOS_ID

pytestmark = pytest.mark.slow


def test_a_restored_model_gives_the_values_of_the_signature_score(trained) -> None:
    require_signature_values(trained.folder)


def test_the_counts_of_a_text_are_those_of_its_tokens(trained) -> None:
    text = RestoredModel(Path(trained.folder)).encode('A wonderful  zzz film')
    assert (text.tokens, text.known, text.unknown, text.characters) == (4, 3, 1, 20)
    assert (text.ids[0], text.ids[-1]) == (BOS_ID, EOS_ID)


@pytest.mark.parametrize('missing', [CONFIG_PATH, Path('variables')], ids=str)
def test_a_model_that_cannot_be_restored_is_refused_in_one_line(
    trained, missing: Path, tmp_path: Path
) -> None:
    folder = tmp_path / '1'
    shutil.copytree(trained.folder, folder, ignore=shutil.ignore_patterns(missing.name))
    with pytest.raises(RestoreError, match='its network cannot be read') as raised:
        RestoredModel(folder)
    assert '\n' not in str(raised.value)
