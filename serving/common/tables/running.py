"""Decoded text in pieces, whatever the length of its lines."""

import codecs
import io
from collections.abc import Iterator

from vaiven.serving.common.tables import encodings
from vaiven.serving.common.tables.blocks import Blocks
from vaiven.serving.common.tables.options import Options


def text_blocks(blocks: Blocks, options: Options) -> Iterator[str]:
    """Yields a text in parts, with line feeds as line ends and without a byte order mark.

    Raises:
        TableError: bytes that are not of the encoding, or NUL, with their line.
    """
    content: Iterator[bytes | None] = iter(blocks)
    name, remedies = blocks.name, options.remedies
    if not encodings.is_utf8(options.encoding):
        content = encodings.to_utf8(content, name, str(options.encoding))
    utf8 = codecs.getincrementaldecoder('utf-8')()
    decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
    number, column = 1, 0  # of the next byte
    beyond_ascii = False
    block = _first(content)
    if encodings.is_utf16(block):
        raise encodings.utf16(f'{name}, line 1', remedies)
    block = block.removeprefix(encodings.MARK)
    while True:
        pending = len(utf8.getstate()[0])
        if (offset := block.find(b'\0')) >= 0:
            where, column = _place(name, number, column, block, offset)
            raise encodings.nul(where, column, block, remedies)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            where, offset = _place(name, number, column, block, error.start - pending)
            sample = block[max(0, error.start - pending) :] + (next(content, b'') or b'')
            byte = error.object[error.start]
            raise encodings.not_utf8(
                where, offset, byte, sample or bytes((byte,)), beyond_ascii, remedies
            ) from None
        beyond_ascii = beyond_ascii or not text.isascii()
        yield text
        if not block:
            return
        number += block.count(b'\n')
        column = len(block) - 1 - block.rfind(b'\n') if b'\n' in block else column + len(block)
        block = next((each for each in content if each is not None), b'')


def _first(content: Iterator[bytes | None]) -> bytes:
    """The first block, of at least as many bytes as a byte order mark where the text has them."""
    found = b''
    for block in content:
        found += block or b''
        if len(found) >= len(encodings.MARK):
            break
    return found


def _place(name: str, number: int, column: int, block: bytes, offset: int) -> tuple[str, int]:
    """File and line of the byte at `offset` of a block that starts at `number`, `column`; and its place there."""
    before = block[: max(0, offset)]
    start = before.rfind(b'\n') + 1
    line = number + before.count(b'\n')
    return f'{name}, line {line}', offset - start if start else column + offset
