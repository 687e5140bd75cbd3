"""Serving folders on this machine: the numbered versions that were pushed."""

from pathlib import Path

from vaiven.serving.errors import ServingError
from vaiven.serving.server import source

RUNS = 'vaiven-runs'


def versions(folder: Path) -> list[int]:
    """Its versions, newest first; empty where there is no such folder. Raises ServingError if unreadable."""
    try:
        return sorted(source.versions(folder), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ServingError(f'cannot read {folder}: {error.strerror}') from error


def newest(model: str = '*', root: Path | None = None) -> Path | None:
    """The serving folder below `vaiven-runs/` that was pushed to last, for one model or for any."""
    found = [
        ((folder / str(numbers[0])).stat().st_mtime, folder)
        for folder in (root or Path()).glob(f'{RUNS}/*/serving/{model}')
        if (numbers := [n for n in versions(folder) if (folder / str(n)).is_dir()])
    ]
    return max(found)[1].absolute() if found else None
