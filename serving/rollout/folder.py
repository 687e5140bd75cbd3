"""Serving folders on this machine: the numbered versions that were pushed."""

from pathlib import Path

from vaiven.serving.errors import ServingError

RUNS = 'vaiven-runs'


def versions(folder: Path) -> list[int]:
    """Its versions, newest first; empty where there is no such folder. Raises ServingError if unreadable."""
    try:
        found = {int(path.name) for path in folder.iterdir() if is_version(path)}
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ServingError(f'cannot read {folder}: {error.strerror}') from error
    return sorted(found, reverse=True)


def is_version(path: Path) -> bool:
    """Whether a server would take it for a version: a folder whose name is a number."""
    return path.name.isascii() and path.name.isdecimal() and path.is_dir()


def newest(model: str = '*', root: Path | None = None) -> Path | None:
    """The serving folder below `vaiven-runs/` that was pushed to last, for one model or for any."""
    found = [
        ((folder / str(numbers[0])).stat().st_mtime, folder)
        for folder in (root or Path()).glob(f'{RUNS}/*/serving/{model}')
        if (numbers := [n for n in versions(folder) if (folder / str(n)).is_dir()])
    ]
    return max(found)[1].absolute() if found else None
