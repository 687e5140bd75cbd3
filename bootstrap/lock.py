"""Writes `requirements/lock.txt`: the libraries of the extras `teacher`, `pipeline` and `dev`, with hashes.

`make lock` runs this script. The file has no URL of a package index, so each installation uses its configured index.
"""

from __future__ import annotations

import re
import subprocess
import sys

from env import LOCK, ROOT, VENV, print_error, print_status
from missing import MissingRequirement
from tools import Tools

OPTIONS = (
    *('--extra', 'teacher', '--extra', 'dev', '--upgrade', '--generate-hashes', '--quiet'),
    *(
        '--no-header',
        '--no-annotate',
        '--no-emit-index-url',
        '--no-emit-find-links',
        '--no-emit-package',
        'vaiven',
    ),
)


def address_lines(text: str) -> list[str]:
    """The lines of a lock file that contain a URL or a path."""
    return [line for line in text.splitlines() if re.search(r'://|^-|(^|\s)@\s|^\.?/', line)]


def lock() -> None:
    """Resolves the versions again. The old file is only replaced by a complete one.

    Raises:
        MissingRequirement: the new file would contain a URL or a path.
        subprocess.CalledProcessError: uv failed.
    """
    new = LOCK.with_suffix('.new')
    python = VENV / 'bin' / 'python'
    uv = Tools(VENV / 'tools', print_status).uv()
    try:
        subprocess.run(
            [
                str(uv),
                'pip',
                'compile',
                'setup.py',
                *OPTIONS,
                '--python',
                str(python),
                '--output-file',
                str(new),
            ],
            check=True,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        lines = address_lines(new.read_text())
        if lines:
            raise MissingRequirement(f'the lock file would contain an address: {lines[0]}')
        old_versions = set(re.findall(r'^\S+==\S+', LOCK.read_text() if LOCK.exists() else '', re.M))
        new_versions = set(re.findall(r'^\S+==\S+', new.read_text(), re.M))
        new.replace(LOCK)
    finally:
        new.unlink(missing_ok=True)
    for name in sorted(old_versions ^ new_versions):
        print_status(f'{"+" if name in new_versions else "-"} {name}')
    print_status(f'{len(new_versions)} libraries in {LOCK.relative_to(ROOT)}')


if __name__ == '__main__':
    try:
        lock()
    except MissingRequirement as error:
        sys.exit(print_error(str(error)))
    except subprocess.CalledProcessError as error:
        sys.exit(print_error(f'uv failed with exit status {error.returncode}; its output is above'))
