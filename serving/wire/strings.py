"""Strings in `tensor_content`: all lengths as varints, then all bytes."""


def decode_strings(content: bytes, count: int) -> list[bytes]:
    """The `count` strings in `content`. Raises ValueError unless they fill it exactly."""
    if count > len(content):
        raise ValueError(f'tensor_content of {len(content)} bytes is too short for {count} strings')
    lengths = []
    offset = 0
    for _ in range(count):
        length, offset = _varint(content, offset)
        lengths.append(length)
    if sum(lengths) != len(content) - offset:
        raise ValueError(f'tensor_content has {len(content) - offset} bytes for strings of {sum(lengths)}')
    items = []
    for length in lengths:
        items.append(content[offset : offset + length])
        offset += length
    return items


def _varint(content: bytes, offset: int) -> tuple[int, int]:
    """The number that starts at `offset`, of at most 64 bits, and the offset after it."""
    value = 0
    for shift in range(0, 64, 7):
        if offset >= len(content):
            break
        byte = content[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
    raise ValueError('tensor_content ends inside the lengths of its strings')
