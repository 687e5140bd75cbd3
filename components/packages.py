"""Downloads a package from the index that pip is configured for, and checks its hash."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from vaiven.components.text_example_gen.errors import DownloadError


class Package(NamedTuple):
    """A file of a package index.

    Attributes:
        requirement: name and version, as `vaderSentiment==3.2.1`.
        sha256: of the file.
        purpose: what it is for, the start of messages.
        remedy: what to do without it, the end of messages.
        is_wheel: whether it is a wheel, or else a source package.
    """

    requirement: str
    sha256: str
    purpose: str
    remedy: str
    is_wheel: bool = False


def download_package(package: Package, scratch: Path) -> bytes:
    """Downloads a package with pip, without its dependencies, and checks its hash.

    Args:
        package: what to download.
        scratch: an empty folder for the download.

    Returns:
        The content of the file.

    Raises:
        DownloadError: the package cannot be downloaded, or its hash differs.
    """
    requirements = scratch / 'requirements.txt'
    # pip compares the hash before it runs any code of the package.
    requirements.write_text(f'{package.requirement} --hash=sha256:{package.sha256}\n')
    command = [
        sys.executable,
        '-m',
        'pip',
        'download',
        '--quiet',
        '--disable-pip-version-check',
        '--no-input',
    ]
    command += ['--only-binary=:all:'] if package.is_wheel else ['--no-build-isolation', '--no-binary=:all:']
    command += ['--no-deps', '--require-hashes', '--dest', str(scratch), '--requirement', str(requirements)]
    completed = subprocess.run(command, capture_output=True, text=True)
    archives = list(scratch.glob('*.whl' if package.is_wheel else '*.tar.gz'))
    if completed.returncode or len(archives) != 1:
        errors = [line for line in completed.stderr.splitlines() if line.startswith('ERROR')]
        reason = (
            errors[-1].removeprefix('ERROR: ') if errors else f'pip exited with status {completed.returncode}'
        )
        raise DownloadError(
            f'{package.purpose}: pip could not fetch {package.requirement} ({reason}); '
            f'connect to a package index once, or {package.remedy}'
        )
    content = archives[0].read_bytes()
    if hashlib.sha256(content).hexdigest() != package.sha256:
        raise DownloadError(
            f'{package.purpose}: {package.requirement} has an unexpected hash; {package.remedy}'
        )
    return content
