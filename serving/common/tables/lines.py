"""Decoded lines, as they come, none longer than is allowed."""

from collections.abc import Iterable, Iterator

from vaiven.serving.common.tables import encodings
from vaiven.serving.common.tables.blocks import Blocks
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.options import Options, Remedies

# How much more is looked at to tell the encoding of a file that is not UTF-8.
_SAMPLE_BYTES = 1 << 24


class Lines:
    """Lines without the LF at their ends; None where the input pauses. In files that have CR alone, CR ends a line.

    Attributes:
        name: what messages call the input.
        number: of the line that came last, from 1.
    """

    def __init__(self, blocks: Blocks, options: Options, *, carriage_returns: bool = True) -> None:
        """
        Args:
            blocks: the bytes.
            options: give the encoding, the longest line, and what messages advise.
            carriage_returns: whether a CR may end a line.
        """
        self.name, self.number = blocks.name, 0
        self.limit, self.remedies = options.max_row_bytes, options.remedies
        self._blocks: Iterator[bytes | None] = iter(blocks)
        self._sample = not blocks.pausing
        if not encodings.is_utf8(options.encoding):
            self._blocks = encodings.to_utf8(self._blocks, blocks.name, str(options.encoding))
        self._carriage_returns = carriage_returns
        self._end = b''
        self._beyond_ascii = False

    def __iter__(self) -> Iterator[str | None]:
        """Raises TableError where a line is too long, not UTF-8, or has a NUL."""
        rest: list[bytes] = []
        size = 0
        for block in self._blocks:
            if block is None:
                yield None
                continue
            if not self._end:
                # A CR at the end may be half of CRLF.
                alone = self._carriage_returns and b'\n' not in block and b'\r' in block[:-1]
                self._end = b'\r' if alone else b'\n'
            cut = block.rfind(self._end)
            if cut >= 0:
                yield from self._decoded(b''.join((*rest, block[:cut])))
                rest, size = [], 0
                block = block[cut + 1 :]
            rest.append(block)
            size += len(block)
            if size > self.limit + 1:  # the one of CR
                raise self.too_large(f'line {self.number + 1}')
        if size:
            yield from self._decoded(b''.join(rest))

    def too_large(self, lines: str) -> TableError:
        return too_large(f'{self.name}, {lines}', self.limit, self.remedies)

    def _decoded(self, content: bytes) -> Iterator[str]:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            yield from self._carefully(content)
            return
        if '\0' in text:
            yield from self._carefully(content)
            return
        self._beyond_ascii = self._beyond_ascii or not text.isascii()
        if self.number == 0:
            text = text.removeprefix('\ufeff')
        bounded = len(content) <= self.limit
        for line in text.split('\r' if self._end == b'\r' else '\n'):
            self.number += 1
            if not bounded and 4 * len(line) > self.limit and len(line.rstrip('\r').encode()) > self.limit:
                raise self.too_large(f'line {self.number}')
            yield line

    def _carefully(self, content: bytes) -> Iterator[str]:
        """The lines before the one that cannot be read; raises TableError for that one."""
        lines = content.split(self._end or b'\n')
        for place, line in enumerate(lines):
            where = f'{self.name}, line {self.number + 1}'
            if self.number == 0:
                if encodings.is_utf16(line):
                    raise encodings.utf16(where, self.remedies)
                line = line.removeprefix(encodings.MARK)
            if len(line.rstrip(b'\r')) > self.limit:
                raise self.too_large(f'line {self.number + 1}')
            if (offset := line.find(b'\0')) >= 0:
                raise encodings.nul(where, offset, line, self.remedies)
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                sample = b'\n'.join(lines[place:]) + self._more()
                raise encodings.not_utf8(
                    where, error.start, line[error.start], sample, self._beyond_ascii, self.remedies
                ) from None
            self._beyond_ascii = self._beyond_ascii or not text.isascii()
            self.number += 1
            yield text

    def _more(self) -> bytes:
        """The next bytes of a file; of a pipe none, since nobody knows when they come."""
        found: list[bytes] = []
        size = 0
        try:
            while self._sample and size < _SAMPLE_BYTES and (block := next(self._blocks, None)):
                found.append(block)
                size += len(block)
        except TableError:
            pass  # what is damaged there is not what is reported
        return b''.join(found)


def too_large(where: str, limit: int, remedies: Remedies) -> TableError:
    bound = f', or {remedies.row_bytes}' if remedies.row_bytes else ''
    return TableError(
        f'{where}: the row is larger than {limit} bytes; look for a quotation mark that is never closed '
        f'or a missing line break{bound}'
    )


def numbered(lines: Iterable[str | None], of: Lines) -> Iterator[tuple[int, str] | None]:
    """Lines that are not blank, with their numbers; None where the input pauses."""
    for line in lines:
        if line is None:
            yield None
        elif line and not line.isspace():
            yield of.number, line
