"""Divides running text into paragraphs and passages."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from vaiven.components.text_example_gen.rows import nfc

# With the quotation marks and brackets that close behind it; some scripts put no space after it.
_SENTENCE_END = re.compile(r'[.!?…]["\'»”’)\]]*(?=\s)|[。！？][」』”’）]*')
_JOINERS = '\u200d\ufe0e\ufe0f'
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def passages(blocks: Iterable[str], limit: int) -> Iterator[str]:
    """Consecutive paragraphs (lines) in NFC, as many as fit; of several blank lines one stays.

    Args:
        blocks: the text in pieces of any length, line feeds between its paragraphs.
        limit: characters of a passage, at most. A longer paragraph is cut behind a sentence, else behind a word,
            else behind a character with its marks.
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
    """Lines in NFC without the white space at their end, those above `limit` cut; of a blank line an empty text."""
    rest = ''
    for block in blocks:
        *lines, rest = (rest + block).split('\n')
        for line in lines:
            yield from _cut(nfc(line.rstrip()), limit)
        # A line that goes on for ever is not kept until its end.
        *pieces, rest = _cut(nfc(rest), limit)
        yield from filter(None, pieces)
    yield from _cut(rest.rstrip(), limit)


def _cut(paragraph: str, limit: int) -> Iterator[str]:
    while len(paragraph) > limit:
        end = _border(paragraph, limit)
        yield paragraph[:end].rstrip()
        paragraph = paragraph[end:].lstrip()
    yield paragraph


def _border(paragraph: str, limit: int) -> int:
    """Where to cut a paragraph that is longer than `limit`."""
    ends = [match.end() for match in _SENTENCE_END.finditer(paragraph, limit // 2, limit + 1)]
    if ends := [end for end in ends if end <= limit]:
        return ends[-1]
    for end in range(limit, 0, -1):
        if paragraph[end].isspace():
            return end
    for end in range(limit, limit // 2, -1):
        if not _belong_together(paragraph[end - 1], paragraph[end]):
            return end
    return limit


def _belong_together(before: str, after: str) -> bool:
    return (
        unicodedata.category(after).startswith('M')
        or before == '\u200d'
        or after in _JOINERS
        or ord(after) in _SKIN_TONES
    )
