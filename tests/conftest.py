"""What all tests share: how they start processes with TensorFlow, and the order of the files."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.forking import popen


@pytest.fixture(scope='session', autouse=True)
def _forked_processes() -> Iterator[None]:
    """Servers and makers of models are forked; see `tests/forking`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, 'Popen', popen.ForkingPopen)
        yield
    popen.close()


@pytest.fixture
def started_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are started, as outside of tests."""
    monkeypatch.setattr(subprocess, 'Popen', popen.StartingPopen)
