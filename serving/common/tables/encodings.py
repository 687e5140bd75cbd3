"""From bytes in any encoding to UTF-8, and what is said about bytes that are not."""

import codecs
from collections.abc import Iterable, Iterator

from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.options import Remedies

MARK = b'\xef\xbb\xbf'
_UTF16 = (b'\xff\xfe', b'\xfe\xff')
# Codecs that are text for Python, and not what a file is in.
_NO_FILES = ('idna', 'punycode', 'undefined', 'unicode_escape', 'raw_unicode_escape', 'mbcs', 'oem')


ENCODING_RULE = 'must be a text encoding of Python, as cp1252, latin-1 or utf-16'


def known_encoding(name: str) -> bool:
    """Whether Python has a text encoding of that name that files are written in."""
    try:
        ''.encode(name)
        return codecs.lookup(name).name.replace('-', '_') not in _NO_FILES
    except (LookupError, ValueError):
        return False


def is_utf8(encoding: str | None) -> bool:
    return encoding is None or codecs.lookup(encoding).name in ('utf-8', 'utf-8-sig', 'ascii')


def to_utf8(blocks: Iterable[bytes | None], name: str, encoding: str) -> Iterator[bytes | None]:
    """Blocks in UTF-8; None where the input pauses. Raises TableError for bytes that are not of the encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    first = True

    def decoded(block: bytes, final: bool = False) -> bytes:
        nonlocal line
        try:
            text = decoder.decode(block, final).encode()
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding, 'ignore') if error.start else ''
            raise TableError(
                f'{name}, line {line + before.count(chr(10))}: byte 0x{error.object[error.start]:02x} '
                f'is not {encoding}; name the encoding that the file is in'
            ) from None
        except UnicodeError as error:
            raise TableError(f'{name}, line {line}: not {encoding} ({error})') from None
        line += text.count(b'\n')
        return text

    for block in blocks:
        if block is None:
            yield None
            continue
        if first and block.startswith(MARK):
            raise TableError(
                f'{name}: the file starts with the byte order mark of UTF-8, and so is not {encoding}; '
                'leave the encoding out'
            )
        first = False
        yield decoded(block)
    if rest := decoded(b'', True):
        yield rest


def utf16(where: str, remedies: Remedies) -> TableError:
    return TableError(f'{where}: the file is UTF-16; {remedies.encoded("utf-16")}')


def is_utf16(content: bytes) -> bool:
    return content.startswith(_UTF16)


def nul(where: str, offset: int, content: bytes, remedies: Remedies) -> TableError:
    """What is said of a NUL byte at `offset` of the line, whose bytes are in `content`."""
    # Every other byte of ASCII in UTF-16 is NUL.
    halves = content[:64:2], content[1:64:2]
    for half, other, encoding in ((*halves, 'utf-16-be'), (*halves[::-1], 'utf-16-le')):
        if len(half) > 3 and not half.strip(b'\0') and b'\0' not in other:
            return TableError(
                f'{where}: the file seems to be UTF-16 without a byte order mark; {remedies.encoded(encoding)}'
            )
    return TableError(
        f'{where}: byte {offset + 1} is NUL, which no text has; remove it, or give a file of text'
    )


def not_utf8(
    where: str, offset: int, byte: int, sample: bytes, mixed: bool, remedies: Remedies
) -> TableError:
    """What is said of a byte that is not UTF-8.

    Args:
        where: file and line.
        offset: of the byte in the line, from 0.
        byte: its value.
        sample: bytes of the file from there on; they tell the encoding.
        mixed: whether text before it is UTF-8 and more than ASCII.
        remedies: what can be done.
    """
    strange = {
        ord(each) - 0xDC00
        for each in sample.decode('utf-8', 'surrogateescape')
        if '\udc80' <= each <= '\udcff'
    }
    if mixed:
        advice = 'the lines before it are UTF-8, so correct this one: the file has two encodings'
    elif strange & _NOT_CP1252:
        advice = "it is not CP1252 or Latin-1 either; find out the file's encoding"
        advice += (
            f' and give {remedies.encoding.format(value="NAME")}' if remedies.encoding else ', and convert it'
        )
    elif strange and min(strange) < 0xA0:
        advice = f'it seems to be CP1252, as Excel writes it: {remedies.encoded("cp1252")}'
    else:
        advice = f'it seems to be Latin-1: {remedies.encoded("latin1")}'
    return TableError(f'{where}: byte {offset + 1} (0x{byte:02x}) is not UTF-8; {advice}')


_NOT_CP1252 = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
