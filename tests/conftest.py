"""What all tests share: how they start programs, the order of the files, and which of them are slow."""

import gzip
import subprocess
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import sharing
from tests.forking import popen

FOLDER = Path(__file__).parent
# With several processes, each takes the next file: long ones first, or one process waits for the other at the end.
LONGEST_FILES = ('e2e/test_readme.py', 'e2e/test_main_job.py', 'e2e/test_novel.py')
LONGEST_FOLDERS = ('e2e', 'models', 'components', 'serving_client', 'serving', 'gateway', 'benchmarks')
# Tests with models that are made for them are slow, without saying so.
SLOW_FIXTURES = {'pushed', 'made_models', 'other_models', 'trained', 'kinds'}


# A gzip header has the time. Among the parameters of a test it would give the test another name in each process.
gzip.time = types.SimpleNamespace(time=lambda: 0.0)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)
    for item in items:
        if _is_slow(item):
            item.add_marker(pytest.mark.slow)


def _is_slow(item: pytest.Item) -> bool:
    folder = item.path.relative_to(FOLDER).parts[0]
    return folder == 'e2e' or not SLOW_FIXTURES.isdisjoint(getattr(item, 'fixturenames', ()))


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
