"""Imports between folders point one way, as docs/architecture.md says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASE = {'errors', 'configuration', 'atomic', 'label_spec', 'settings_file'}
# What each folder may import of `vaiven`, beside itself.
ALLOWED = {
    'package': {*BASE, 'pipeline'},  # `python -m vaiven` is the command line
    'models': BASE,
    'serving': BASE,
    'components': {*BASE, 'models', 'serving'},
    'pipeline': {*BASE, 'models', 'serving', 'components'},
}
# The same inside `serving`; the client loads a model in its own process with the server's code.
ALLOWED_IN_SERVING = {
    'common': {'wire'},
    'wire': {'common'},
    'client': {'common', 'wire', 'server'},
    'server': {'common', 'wire'},
    'rollout': {'common', 'wire', 'client', 'evaluation'},
    'evaluation': {'common'},
    'gateway': {'common', 'wire', 'client'},
    'commands': {'common', 'wire', 'client', 'server', 'evaluation', 'rollout', 'gateway'},
}
# The modules of the server that others may import: what is the server or starts one.
SERVER_MODULES = {'server', 'server_process', 'in_process', 'flags'}
# The one place where a component starts a server and calls it.
CALLING = 'serving_check'


def imported(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each import of `vaiven` below a folder: the file, and the module's names after `vaiven`."""
    for path in sorted(folder.rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'vaiven':
                for alias in node.names:
                    yield path, [*node.module.split('.')[1:], alias.name]
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.startswith('vaiven.'):
                        yield path, alias.name.split('.')[1:]


@pytest.mark.parametrize('folder', ALLOWED)
def test_a_folder_imports_only_folders_below_it(folder: str) -> None:
    allowed = {*ALLOWED[folder], folder}
    assert [
        (str(path.relative_to(ROOT)), names)
        for path, names in imported(ROOT / folder)
        if names[0] not in allowed and names[0] != '__version__'
    ] == []


@pytest.mark.parametrize('folder', ALLOWED_IN_SERVING)
def test_a_folder_of_serving_imports_only_folders_below_it(folder: str) -> None:
    allowed = {*ALLOWED_IN_SERVING[folder], folder}
    assert [
        (str(path.relative_to(ROOT)), names)
        for path, names in imported(ROOT / 'serving' / folder)
        if names[0] == 'serving' and names[1] not in allowed
    ] == []


def test_other_folders_import_only_what_is_or_starts_the_server() -> None:
    modules = {
        names[2]
        for folder in ('client', 'commands', 'rollout', 'gateway', 'common')
        for _, names in imported(ROOT / 'serving' / folder)
        if names[:2] == ['serving', 'server']
    }
    assert modules == SERVER_MODULES


def test_only_the_serving_check_uses_more_of_serving_than_common_and_evaluation() -> None:
    others = {
        path.parent.name
        for path, names in imported(ROOT / 'components')
        if names[0] == 'serving' and names[1] not in ('common', 'evaluation')
    }
    assert others == {CALLING}
