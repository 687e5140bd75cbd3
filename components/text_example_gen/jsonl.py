"""Reads files with one JSON object a line."""

import json
from collections.abc import Iterator

from vaiven.components.text_example_gen.columns import Columns, Record, field, naming
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.opening import Lines

_RULE = 'each line is one object, as {"text": "A moving film", "label": 1}'


def objects(lines: Lines, name: str, columns: Columns) -> Iterator[Record]:
    """Each object but its other keys. Only the text must be there; blank lines are left out."""
    for line in lines:
        if not line.strip():
            continue
        where = f'{name}, line {lines.number}'
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f'{where}: not JSON ({error.msg} at character {error.colno}); {_RULE}') from None
        except (ValueError, RecursionError) as error:
            raise DataError(f'{where}: not JSON that can be read ({error}); {_RULE}') from None
        if not isinstance(value, dict):
            raise DataError(f'{where}: holds {type(value).__name__}, no object; {_RULE}')
        if columns['text'] not in value:
            raise DataError(
                f'{where}: no key is named {columns["text"]!r}; there are: {", ".join(map(repr, value))}; '
                + naming('text')
            )
        yield where, {part: field(value.get(key), part, key, where) for part, key in columns.items()}
