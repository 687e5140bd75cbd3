"""Rows of fastText: `__label__positive A moving film`."""

import json
from collections.abc import Iterator

from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.lines import Lines, numbered
from vaiven.serving.common.tables.options import ALL, EVERY, Options
from vaiven.serving.common.tables.values import NOTHING, Record

PREFIX = '__label__'


def fasttext_rows(lines: Lines, options: Options) -> Iterator[Record | None]:
    """A row for each line that is not blank; None where the input pauses. A line without a label is unlabelled.

    Several labels, `__label__a __label__b text`, become a JSON list.

    Raises:
        TableError: another column than text and label is wanted.
    """
    for part in options.columns:
        if part not in ('text', 'label') and part not in options.optional:
            raise TableError(
                f'{lines.name}: fastText lines have a text and a label, and no {part}; write a csv file'
            )
    if options.keep not in ((), ALL, EVERY):
        raise TableError(f'{lines.name}: fastText lines have no column {options.keep[0]!r} to keep')
    for each in numbered(lines, lines):
        if each is None:
            yield None
            continue
        number, line = each
        where = f'{lines.name}, line {number}'
        text, labels = line.strip(), []
        while text.startswith(PREFIX):
            # fastText ends a label at any white space.
            first, *rest = text.split(maxsplit=1)
            labels.append(first.removeprefix(PREFIX))
            text = rest[0] if rest else ''
        label = json.dumps(labels, ensure_ascii=False) if len(labels) > 1 else next(iter(labels), None)
        fields = {'text': text, 'label': label}
        kept = fields if options.keep == EVERY else NOTHING
        yield Record(where, {part: fields.get(part) for part in options.columns}, kept)
