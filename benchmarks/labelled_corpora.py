"""Texts with classes of any kind, for `benchmarks.classification`."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.corpora import MissingDataError, Review, domain_sentences, reviews
from vaiven.components.text_example_gen.rows import text_fingerprint
from vaiven.label_spec import LabelSpec
from vaiven.serving.common.labels import nfc

# Debian's packages `fortunes` and `fortunes-es`: sayings and quotations, one file for each subject.
FORTUNES = Path('/usr/share/games/fortunes')
# A mean rating from −1 to 1 on the scale from −4 to 4 is neutral.
NEUTRAL = 0.25
_SEPARATOR = re.compile(r'^%\s*$', re.MULTILINE)
# Pictures, not text.
_PICTURES = {'ascii-art'}


class Corpus(NamedTuple):
    """A corpus.

    Attributes:
        labels: kind and classes.
        rows: `label` is the index of the class. No two rows have the same text.
        folds: number of folds that it is cut into.
    """

    labels: LabelSpec
    rows: list[Review]
    folds: int


def film_sentences() -> Corpus:
    """The film sentences, cut into three classes by their mean rating."""
    return _three_classes(reviews('vader'), 10)


def domain(name: str) -> Corpus:
    """Sentences of another domain, cut into three classes by their mean rating.

    Args:
        name: `amazon`, `tweets` or `nyt`.
    """
    return _three_classes(domain_sentences(name), 5)


def muchocine(column: str) -> Corpus:
    """Spanish film reviews with 1 to 5 stars; all reviews of a film are in one fold.

    Args:
        column: `summary` or `body`.
    """
    rows = reviews('muchocine-summary' if column == 'summary' else 'muchocine-body')
    stars = [row._replace(label=round(2 * (row.rating or 0)) + 2) for row in rows]
    return Corpus(LabelSpec('ordinal', ('1', '2', '3', '4', '5')), stars, 5)


def sayings(language: str, classes: int) -> Corpus:
    """Sayings by subject: the subjects with the most texts.

    Args:
        language: `en` or `es`.
        classes: number of subjects.

    Raises:
        MissingDataError: the Debian package is not installed.
    """
    folder = FORTUNES if language == 'en' else FORTUNES / 'es'
    files = [path for path in sorted(folder.glob('*.u8')) if path.stem not in _PICTURES]
    if not files:
        package = 'fortunes' if language == 'en' else 'fortunes-es'
        raise MissingDataError(f'the Debian package {package} is not installed: this benchmark is skipped')
    texts = {path.stem.removesuffix('.fortunes'): list(_records(path)) for path in files}
    largest = Counter({name: len(records) for name, records in texts.items()}).most_common(classes)
    names = tuple(sorted(name for name, _ in largest))
    rows = (
        Review(text, label, hashlib.sha256(text_fingerprint(text)).hexdigest())
        for label, name in enumerate(names)
        for text in texts[name]
    )
    return Corpus(LabelSpec('multiclass', names), _without_duplicates(rows), 5)


def _records(path: Path) -> Iterator[str]:
    for record in _SEPARATOR.split(path.read_text('utf-8', 'replace')):
        if text := ' '.join(record.split()):
            yield nfc(text)


def _three_classes(rows: Iterable[Review], folds: int) -> Corpus:
    labelled = [
        row._replace(
            label=1 if abs(row.rating or 0) <= NEUTRAL else 2 if (row.rating or 0) > 0 else 0, rating=None
        )
        for row in rows
    ]
    return Corpus(LabelSpec('multiclass', ('negative', 'neutral', 'positive')), labelled, folds)


def _without_duplicates(rows: Iterable[Review]) -> list[Review]:
    first: dict[bytes, Review] = {}
    for row in rows:
        first.setdefault(text_fingerprint(row.text), row)
    # The files are sorted by class.
    return [row for _, row in sorted(first.items(), key=lambda item: item[0])]


CORPORA: dict[str, Callable[[], Corpus]] = {
    'film-3': film_sentences,
    'amazon-3': lambda: domain('amazon'),
    'tweets-3': lambda: domain('tweets'),
    'nyt-3': lambda: domain('nyt'),
    'muchocine-stars': lambda: muchocine('summary'),
    'muchocine-body-stars': lambda: muchocine('body'),
    'sayings-20': lambda: sayings('en', 20),
    'dichos-15': lambda: sayings('es', 15),
}
