"""Splits running text into paragraphs and passages."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from vaiven.serving.common.labels import nfc

# Including closing quotation marks and brackets; CJK punctuation is not followed by a space.
_SENTENCE_END = re.compile(r'[.!?…]["\'»”’)\]]*(?=\s)|[。！？][」』”’）]*')
_JOINERS = '\u200d\ufe0e\ufe0f'
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def passages(blocks: Iterable[str], limit: int) -> Iterator[str]:
    """Joins consecutive paragraphs (lines), in NFC, to passages that are as long as possible.

    Several blank lines become one.

    Args:
        blocks: the text in blocks of any length, with line feeds between the paragraphs.
        limit: maximum number of characters of a passage. A longer paragraph is cut after a sentence, else after a
            word, else after a grapheme.
    """
    passage = ''
    for paragraph in paragraphs(blocks, limit):
        if not paragraph:
            passage += '' if passage.endswith('\n') else '\n'
            continue
        if passage.strip() and len(passage) + 1 + len(paragraph) > limit:
            yield passage.strip('\n')
            passage = ''
        passage = f'{passage}\n{paragraph}' if passage.strip() else paragraph
    if passage.strip():
        yield passage.strip('\n')


def paragraphs(blocks: Iterable[str], limit: int) -> Iterator[str]:
    """Splits text into lines, in NFC and without trailing white space; a blank line gives an empty string.

    Args:
        blocks: the text in blocks of any length.
        limit: maximum number of characters; longer lines are cut.
    """
    rest = ''
    for block in blocks:
        *lines, rest = (rest + block).split('\n')
        for line in lines:
            yield from _cut(nfc(line.rstrip()), limit)
        # A line without end is not kept in memory: what is longer than the limit is emitted.
        *chunks, rest = _cut(nfc(rest), limit)
        yield from filter(None, chunks)
    yield from _cut(rest.rstrip(), limit)


def _cut(paragraph: str, limit: int) -> Iterator[str]:
    while len(paragraph) > limit:
        end = _cut_position(paragraph, limit)
        yield paragraph[:end].rstrip()
        paragraph = paragraph[end:].lstrip()
    yield paragraph


def _cut_position(paragraph: str, limit: int) -> int:
    """Index at which a paragraph longer than `limit` is cut."""
    ends = [match.end() for match in _SENTENCE_END.finditer(paragraph, limit // 2, limit + 1)]
    if ends := [end for end in ends if end <= limit]:
        return ends[-1]
    for end in range(limit, 0, -1):
        if paragraph[end].isspace():
            return end
    for end in range(limit, limit // 2, -1):
        if not _is_one_grapheme(paragraph[end - 1], paragraph[end]):
            return end
    return limit


def _is_one_grapheme(before: str, after: str) -> bool:
    """Whether two adjacent characters belong to one grapheme: combining marks and emoji sequences."""
    return (
        unicodedata.category(after).startswith('M')
        or before == '\u200d'
        or after in _JOINERS
        or ord(after) in _SKIN_TONES
    )
