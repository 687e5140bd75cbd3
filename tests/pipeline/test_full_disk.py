"""What a run says when a disk is full or cannot be written."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.test_store import run_toy
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.pipeline.config import configure
from vaiven.pipeline.main_job import run_job
from vaiven.pipeline.paths import FolderError, RunPaths
from vaiven.pipeline.runner import ComponentError
from vaiven.pipeline.store import StoreError

pytestmark = pytest.mark.slow

FULL = 'the disk is full'
_SIZE = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', f'size={_SIZE}', 'tmpfs', str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip('this machine does not let the tests mount a small disk')
    yield folder
    # The exception of a failed test may still hold the store open.
    subprocess.run(['umount', '--lazy', str(folder)], check=True)


def fill(disk: Path, size: int) -> None:
    with contextlib.suppress(OSError), (disk / 'fill').open('wb', buffering=0) as file:
        file.write(b'x' * size)


def job(root: Path) -> int:
    return run_job(configure(), DataFiles(()), RunPaths(str(root), 'toy'), None)


# So much that the store cannot be made, cannot be filled, or that the first component fails.
@pytest.mark.parametrize(
    ('size', 'error'), [(_SIZE, StoreError), (900_000, StoreError), (700_000, ComponentError)]
)
def test_a_full_disk_inside_the_metadata_store_is_called_so(disk, size, error):
    (disk / 'mode').write_text('work')
    fill(disk, size)
    with pytest.raises(error, match=FULL) as raised:
        run_toy(disk)
    assert len(str(raised.value)) < 160
    assert raised.value.exit_status == 1


def test_a_full_disk_below_the_root_is_called_so(disk):
    (disk / 'root' / 'logs').mkdir(parents=True)
    fill(disk, _SIZE)
    with pytest.raises(FolderError, match=f'{disk}/root: {FULL}; choose another --root'):
        job(disk / 'root')


def test_a_root_that_cannot_be_written_is_called_so(disk):
    (disk / 'root').mkdir()
    subprocess.run(['mount', '-o', 'remount,ro', str(disk)], check=True)
    for root in (disk / 'root', disk / 'new'):
        with pytest.raises(FolderError, match=f'cannot write below {root}: Read-only file system'):
            job(root)
