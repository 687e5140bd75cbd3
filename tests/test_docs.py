"""Paths, links, modules, settings and commands that the documentation names exist in this repository."""

import dataclasses
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vaiven.pipeline.cli import COMMANDS
from vaiven.pipeline.config import Config, settings_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in ('*.md', 'docs/*.md', 'kubeflow/*.md')
    for path in ROOT.glob(pattern)
    if path.name != 'CHANGELOG.md'  # names what there was, too
)
# Not all that is there: `vaiven-runs`, `build` and `dist` are made by commands.
FOLDERS = (
    'benchmarks', 'bootstrap', 'components', 'docs', 'kubeflow', 'models', 'package', 'pipeline', 'requirements',
    'serving', 'tests',
)  # fmt: skip
ROOT_FILES = ('Makefile', 'LICENSE', 'setup.py', 'pyproject.toml', '.pre-commit-config.yaml', '.editorconfig')
# What is installed as `vaiven`, by the folder that holds it.
PACKAGES = {
    'errors': 'package',
    'configuration': 'package',
    'settings_file': 'package',
    **dict.fromkeys(('pipeline', 'components', 'models', 'serving'), '.'),
}
SETTINGS = {path for path, _ in settings_of(Config())}
GROUPS = tuple(
    field.name for field in dataclasses.fields(Config) if dataclasses.is_dataclass(field.default_factory)
)

pages = pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code_spans(page: Path) -> Iterator[str]:
    """Text in backticks outside of blocks of code."""
    text = re.sub(r'^```.*?^```', '', page.read_text(encoding='utf-8'), flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r'`([^`\n]+)`', text)


def anchor(heading: str) -> str:
    """The anchor that Git hosts derive from a heading."""
    return re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(' ', '-')


@pages
def test_every_path_named_in_a_page_exists(page: Path) -> None:
    missing = []
    for span in code_spans(page):
        path = span.split(' ')[0].split(':')[0].rstrip('/')
        in_repository = '/' in span and path.split('/')[0] in FOLDERS
        if (
            (in_repository or path in ROOT_FILES)
            and not re.search(r'[<>…{]', path)
            and not list(ROOT.glob(path))
        ):
            missing.append(path)
    assert missing == []


@pages
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text(encoding='utf-8')):
        if re.match(r'[a-z]+:', target):
            continue
        name, _, fragment = target.partition('#')
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            broken.append(target)
        elif fragment:
            headings = re.findall(r'^#+ (.*)$', path.read_text(encoding='utf-8'), re.MULTILINE)
            if fragment not in map(anchor, headings):
                broken.append(target)
    assert broken == []


def is_importable(name: str) -> bool:
    """Whether a dotted name is a package, a module, or a name in one of them; nothing is imported."""
    _, top, *rest = name.split('.')
    path = ROOT / PACKAGES[top] / top
    while rest and (path / rest[0]).is_dir():
        path /= rest.pop(0)
    if path.is_dir():
        if not rest:
            return True
        module = path / f'{rest[0]}.py'
        path, rest = (module, rest[1:]) if module.is_file() else (path / '__init__.py', rest)
    else:
        path = path.with_suffix('.py')
    source = path.read_text(encoding='utf-8') if path.is_file() else ''
    return path.is_file() and (not rest or re.search(rf'\b{rest[0]}\b', source) is not None)


@pages
def test_every_module_named_in_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding='utf-8')
    named = set(re.findall(rf'(?<![\w./-])(vaiven\.(?:{"|".join(PACKAGES)})(?:\.\w+)*)', text))
    assert [name for name in sorted(named) if not is_importable(name)] == []


@pages
def test_every_setting_named_in_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding='utf-8')
    named = re.findall(rf'(?:`|--set )((?:{"|".join(GROUPS)})\.[a-z_]+)\b(?!\.)', text)
    assert sorted(set(named) - SETTINGS) == []


@pages
def test_every_command_named_in_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding='utf-8')
    named = re.findall(r'(?:^ {4}|`|\.venv/bin/)vaiven ([a-z]+)', text, re.MULTILINE)
    assert sorted(set(named) - set(COMMANDS)) == []


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    targets = set(re.search(r'^\.PHONY: (.*)$', makefile, re.MULTILINE)[1].split())
    targets |= set(re.findall(r'^([a-z]+):', makefile, re.MULTILINE))
    printed = subprocess.run(
        ['make', '--no-print-directory', 'help'], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in printed.splitlines()} == targets


@pages
def test_every_name_is_in_the_file_that_a_page_says(page: Path) -> None:
    """Such as `Limits` in `serving/rollout/gates.py`."""
    text = ' '.join(page.read_text(encoding='utf-8').split())
    named = re.findall(r'`(\w+)(?:\([^`]*\))?` in `([\w/.]+\.py)`', text)
    assert [
        (name, path)
        for name, path in named
        if re.search(rf'\b{name}\b', (ROOT / path).read_text(encoding='utf-8')) is None
    ] == []


@pages
def test_every_make_target_named_in_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r'^([a-z]+):', (ROOT / 'Makefile').read_text(encoding='utf-8'), re.MULTILINE))
    named = set(re.findall(r'(?:^ {4}|`)make ([a-z]+)', page.read_text(encoding='utf-8'), re.MULTILINE))
    assert sorted(named - targets) == []
