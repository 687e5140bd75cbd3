import dataclasses
import pathlib

import pytest

from vaiven.pipeline.config import Config, settings_of
from vaiven.pipeline.settings_page import attributes, page, settings

PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'settings.md'


def test_the_page_is_up_to_date():
    command = 'python -m vaiven.pipeline.settings_page > docs/settings.md'
    assert PAGE.read_text(encoding='utf-8') == page(), f'run: {command}'


def test_every_setting_has_a_row_with_a_meaning():
    rows = [line.split(' | ') for line in PAGE.read_text(encoding='utf-8').splitlines() if line[:3] == '| `']
    assert [row[0].removeprefix('| ') for row in rows] == [f'`{path}`' for path, _ in settings_of(Config())]
    assert all(len(row) == 4 and len(row[3]) > 20 for row in rows)


def test_values_of_presets_and_former_names_are_shown():
    rows = {line.split('`')[1]: line for line in page().splitlines() if line[:3] == '| `'}
    assert '| `128` |' in rows['network.units']
    assert '`384` with the preset `novel`. `256` with the preset `novel_paper`.' in rows['network.units']
    assert '`0.0` with the presets `novel` and `novel_paper`.' in rows['network.token_dropout']
    assert 'Formerly `piece_buckets`.' in rows['network.subword_buckets']
    assert 'with the preset' not in rows['network.embedding_dropout']


@dataclasses.dataclass(frozen=True)
class Example:
    """Something.

    Attributes:
        low, high: Both ends,
            in metres: from 0.
        name: A name.
    """

    low: int = 0
    high: int = 1
    name: str = ''
    hidden: int = 0


def test_an_entry_of_the_docstring_may_have_several_names_and_lines():
    meaning = 'Both ends, in metres: from 0.'
    assert attributes(Example) == {'low': meaning, 'high': meaning, 'name': 'A name.'}


def test_a_setting_without_documentation_is_an_error():
    with pytest.raises(ValueError, match=r'Example\.hidden is missing'):
        list(settings(Example, '', {'reviews': Example()}))
