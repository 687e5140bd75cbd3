"""The texts that benchmarks are measured on."""

import csv
import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from vaiven.components.text_example_gen.default_data import default_data, fetch_package, read_reviews
from vaiven.components.text_example_gen.rows import text_fingerprint
from vaiven.serving.common.labels import nfc

SentimentData = Literal['vader', 'muchocine-summary', 'muchocine-body']
DATA_FOLDER = Path(__file__).parent.parent.parent / 'shared' / 'data'
_STARS_LABEL = {'1': 0, '2': 0, '3': None, '4': 1, '5': 1}


class MissingDataError(Exception):
    """A corpus is not on this machine; the message lists the searched places."""


class Review(NamedTuple):
    """A text with a sentiment label.

    Attributes:
        text: NFC.
        label: 0 negative, 1 positive, None neither (usable as text only).
        group: rows of one group never lie on both sides of a split.
        rating: of the film by the text, from -1 to 1; None if unknown.
    """

    text: str
    label: int | None
    group: str
    rating: float | None = None


def reviews(data: SentimentData) -> list[Review]:
    """Reads the rows of a corpus without duplicates, in an order that does not depend on the class.

    Raises:
        MissingDataError: where the corpus is not on this machine.
    """
    return _distinct(_vader() if data == 'vader' else _muchocine(data.removeprefix('muchocine-')))


def domain_sentences(domain: str) -> list[Review]:
    """Reads the rated texts of another domain that the default data's package contains, without duplicates.

    Args:
        domain: `amazon`, `tweets` or `nyt`.
    """
    name = {'amazon': 'amazonReviewSnippets', 'tweets': 'tweets', 'nyt': 'nytEditorialSnippets'}[domain]
    with tempfile.TemporaryDirectory(prefix='vaiven-benchmark-') as scratch:
        package = fetch_package(Path(scratch))
    return _distinct(_rated(row) for row in read_reviews(package, name))


def _distinct(rows: Iterable[Review]) -> list[Review]:
    seen: dict[bytes, Review] = {}
    for row in rows:
        if row.text.strip():
            seen.setdefault(text_fingerprint(row.text), row)
    # The film sentences are sorted by class.
    return [row for _, row in sorted(seen.items(), key=lambda item: item[0])]


def _vader() -> Iterator[Review]:
    with open(default_data(), encoding='utf-8', newline='') as file:
        for row in csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE):
            yield _rated((row['text'], row['label'], row['rating']))


def _rated(row: tuple[str, str, str]) -> Review:
    text, label, rating = row
    group = hashlib.sha256(text_fingerprint(text)).hexdigest()
    return Review(nfc(text), {'negative': 0, 'positive': 1, '': None}[label], group, float(rating))


def _muchocine(column: str) -> Iterator[Review]:
    with gzip.open(_shared('muchocine.tsv.gz'), 'rt', encoding='utf-8', newline='') as file:
        # A body may be longer than the module's limit of 128 KiB a field.
        csv.field_size_limit(10_000_000)
        for row in csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE):
            film = ' '.join(row['film'].casefold().split())
            yield Review(nfc(row[column]), _STARS_LABEL[row['rank']], film, (int(row['rank']) - 3) / 2)


def novels() -> dict[str, str]:
    """Name to text of each Spanish novel, one paragraph a line, sorted by name.

    Raises:
        MissingDataError: where the archive is not on this machine.
    """
    found = {}
    with tarfile.open(_shared('novelas.tar.xz')) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                text = io.TextIOWrapper(file, encoding='utf-8').read()
                found[Path(member.name).stem] = nfc(text)
    return dict(sorted(found.items()))


def _shared(name: str) -> Path:
    path = DATA_FOLDER / name
    if not path.exists():
        raise MissingDataError(f'no ../shared/data/{name} beside the project: this benchmark is skipped')
    return path


def groups_of(rows: Iterable[Review]) -> list[str]:
    """Each group once, in the order of its first row."""
    return list(dict.fromkeys(row.group for row in rows))
