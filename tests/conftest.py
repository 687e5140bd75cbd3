"""What all tests share: how they start programs, the order of the files, and which of them are slow."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import sharing
from tests.forking import popen

FOLDER = Path(__file__).parent
# With several processes, each takes the next file: long ones first, or one process waits for the other at the end.
LONGEST_FILES = ('e2e/test_readme.py', 'e2e/test_main_job.py', 'e2e/test_novel.py')
LONGEST_FOLDERS = ('e2e', 'models', 'components', 'serving_client', 'serving', 'gateway', 'benchmarks')
# What `make quick` leaves out: tests with models that are made for them, and files that take seconds of a core.
SLOW_FIXTURES = {'pushed', 'made_models', 'other_models', 'trained', 'kinds', 'half'}
SLOW_FILES = {
    'benchmarks': ('agreement', 'client', 'language', 'training_speed'),
    'bootstrap': ('distribution', 'env'),
    'components': (
        'gates', 'language_evaluation', 'serving_check', 'text_example_gen', 'transform', 'vocabulary',
    ),
    'models': (
        'assertions', 'backends', 'cells', 'combination', 'dataset', 'fine_tuning', 'fitting', 'generation', 'hardware',
        'language_training', 'lecture', 'lecture_page', 'network', 'normalization', 'recurrence', 'streams', 'text',
        'training', 'tuning',
    ),
    'pipeline': ('full_disk', 'interruption', 'runner', 'terminals'),
    'serving_client': ('run_folder', 'rollout_statistics', 'rollout_status'),
    'serving': ('json_values', 'server_graph_costs', 'wire_tensors'),
}  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)
    for item in items:
        if _is_slow(item):
            item.add_marker(pytest.mark.slow)


def _is_slow(item: pytest.Item) -> bool:
    folder, *rest = item.path.relative_to(FOLDER).with_suffix('').parts
    files = SLOW_FILES.get(folder, ())
    return (
        folder in ('e2e', 'forking')
        or any(rest == [f'test_{name}'] for name in files)
        or not SLOW_FIXTURES.isdisjoint(getattr(item, 'fixturenames', ()))
    )


def _place(item: pytest.Item) -> tuple[int, int]:
    path = item.path.relative_to(FOLDER)
    files = [Path(name) for name in LONGEST_FILES]
    folder = path.parts[0]
    return (
        files.index(path) if path in files else len(files),
        LONGEST_FOLDERS.index(folder) if folder in LONGEST_FOLDERS else len(LONGEST_FOLDERS),
    )


@pytest.fixture(scope='session', autouse=True)
def _forked_programs() -> Iterator[None]:
    """Servers, runs and makers of models are forked; see `tests.forking.popen`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, 'Popen', popen.ForkingPopen)
        yield
    popen.close()


@pytest.fixture
def started_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """All programs are started, as outside of tests."""
    monkeypatch.setattr(subprocess, 'Popen', popen.StartingPopen)


@pytest.fixture(scope='module')
def default_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No other test uses the ports 8500 and 8501 meanwhile."""
    with sharing.locked(tmp_path_factory, 'ports'):
        yield
