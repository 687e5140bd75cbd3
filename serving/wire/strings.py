"""Strings in `tensor_content` (all lengths as varints, then all bytes), and fields of serialized messages.

https://protobuf.dev/programming-guides/encoding/
"""

# Wire types.
_VARINT, _BYTES = 0, 2
# A TensorProto has fewer fields.
MAX_FIELDS = 32


def decode_strings(content: bytes, count: int) -> list[bytes]:
    """The `count` strings in `content`. Raises ValueError unless they fill it exactly."""
    # Each length takes at least one byte. Checked first: a message of 20 bytes may declare any number of strings.
    if count > len(content):
        raise ValueError(f'tensor_content of {len(content)} bytes is too short for {count} strings')
    lengths = []
    offset = 0
    for _ in range(count):
        try:
            length, offset = read_varint(content, offset)
        except ValueError:
            raise ValueError('tensor_content ends inside the lengths of its strings') from None
        lengths.append(length)
    if sum(lengths) != len(content) - offset:
        raise ValueError(f'tensor_content has {len(content) - offset} bytes for strings of {sum(lengths)}')
    items = []
    for length in lengths:
        items.append(content[offset : offset + length])
        offset += length
    return items


def read_varint(data: bytes, offset: int) -> tuple[int, int]:
    """Decodes the varint at `offset`, of at most 10 bytes; returns it with the offset after it.

    Raises:
        ValueError: it does not end in time.
    """
    try:
        byte = data[offset]
        if byte < 0x80:  # most tags and lengths
            return byte, offset + 1
        value = byte & 0x7F
        for shift in range(7, 70, 7):
            offset += 1
            byte = data[offset]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, offset + 1
    except IndexError:
        pass
    raise ValueError('a varint has more than 10 bytes, or is cut off')


def varint(number: int) -> bytes:
    """Encodes a non-negative number as a varint."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def packed_field(data: bytes, number: int) -> tuple[int, int] | None:
    """Start and end of the content of a length-delimited field in a serialized message.

    Args:
        data: the serialized message.
        number: number of the field.

    Returns:
        Start and end; None if the field is not among the first `MAX_FIELDS`, or the message cannot be read.
    """
    offset = 0
    try:
        for _ in range(MAX_FIELDS):
            tag, offset = read_varint(data, offset)
            kind = tag & 7
            if kind == _BYTES:
                length, offset = read_varint(data, offset)
                if tag >> 3 == number:
                    return offset, offset + length
                offset += length
            elif kind == _VARINT:
                _, offset = read_varint(data, offset)
            else:
                return None
    except ValueError:
        pass
    return None
