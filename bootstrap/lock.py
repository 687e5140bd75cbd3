"""Writes `requirements/lock.txt`: every library of the extras `pipeline` and `dev`, with its hashes.

Run by `make lock`. No address of an index is written down: whoever installs uses the index of his own.
"""

from __future__ import annotations

import re
import subprocess
import sys

from env import LOCK, ROOT, VENV, complain, say
from missing import Missing
from tools import Tools

OPTIONS = (
    *('--extra', 'pipeline', '--extra', 'dev', '--upgrade', '--generate-hashes', '--quiet'),
    *(
        '--no-header',
        '--no-annotate',
        '--no-emit-index-url',
        '--no-emit-find-links',
        '--no-emit-package',
        'vaiven',
    ),
)


def addresses(text: str) -> list[str]:
    """The lines of a lock file that name a server or a path rather than a library."""
    return [line for line in text.splitlines() if re.search(r'://|^-|(^|\s)@\s|^\.?/', line)]


def lock() -> None:
    """Resolves anew. The old file stays as it was unless the new one is whole. Raises Missing."""
    new = LOCK.with_suffix('.new')
    python = VENV / 'bin' / 'python'
    uv = Tools(VENV / 'tools', say).uv()
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
        found = addresses(new.read_text())
        if found:
            raise Missing(f'the lock file would name an address: {found[0]}')
        before = set(re.findall(r'^\S+==\S+', LOCK.read_text() if LOCK.exists() else '', re.M))
        after = set(re.findall(r'^\S+==\S+', new.read_text(), re.M))
        new.replace(LOCK)
    finally:
        new.unlink(missing_ok=True)
    for name in sorted(before ^ after):
        say(f'{"+" if name in after else "-"} {name}')
    say(f'{len(after)} libraries in {LOCK.relative_to(ROOT)}')


if __name__ == '__main__':
    try:
        lock()
    except Missing as missing:
        sys.exit(complain(str(missing)))
    except subprocess.CalledProcessError as error:
        sys.exit(complain(f'uv failed with exit status {error.returncode}; its own message is above'))
