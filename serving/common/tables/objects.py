"""Rows of jsonl: one JSON object a line."""

import json
from collections.abc import Iterator
from typing import Any

from vaiven.serving.common.tables.columns import naming, require_no_near_miss
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.lines import Lines, numbered
from vaiven.serving.common.tables.options import ALL, EVERY, Options
from vaiven.serving.common.tables.values import NOTHING, Record, field

RULE = 'each line is one object, as {"text": "A moving film", "label": 1}'
# Objects with the same keys are looked at once.
_MAX_SHAPES = 1000


def jsonl_rows(lines: Lines, options: Options) -> Iterator[Record | None]:
    """Each object; None where the input pauses. Only the text must be there; blank lines are left out.

    Raises:
        TableError: a line is not an object, or holds a value that is not a field.
    """
    objects = Objects(options)
    for each in numbered(lines, lines):
        if each is None:
            yield None
            continue
        number, line = each
        where = f'{lines.name}, line {number}'
        try:
            value = decode(line)
        except json.JSONDecodeError as error:
            if line.startswith('\ufeff'):
                raise TableError(f'{where}: starts with a byte order mark; remove it') from None
            raise TableError(f'{where}: not JSON ({error.msg} at character {error.colno}); {RULE}') from None
        except (ValueError, RecursionError) as error:
            raise TableError(f'{where}: not JSON that can be read ({error}); {RULE}') from None
        yield objects.record(value, where, RULE)


class _TwiceError(ValueError):
    """An object names a key twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(f'the key {next(name for name in names if names.count(name) > 1)!r} is there twice')
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
decode = _DECODER.decode
decode_first = _DECODER.raw_decode


class Objects:
    """Makes records of objects."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._shapes: dict[tuple[str, ...], dict[str, str]] = {}

    def record(self, value: object, where: str, rule: str) -> Record:
        """Raises TableError where the value is not an object with a text."""
        if not isinstance(value, dict):
            raise TableError(f'{where}: holds {type(value).__name__}, no object; {rule}')
        keys = tuple(value)
        names = self._shapes.get(keys)
        if names is None:
            names = self._names(keys, where)
            if len(self._shapes) < _MAX_SHAPES:
                self._shapes[keys] = names
        options = self._options
        fields = {
            part: field(value[names[column]], part, column, where, options.remedies)
            for part, column in options.columns.items()
            if column in names
        }
        if not options.keep:
            return Record(where, fields, NOTHING)
        if options.keep in (ALL, EVERY):
            wanted = set(options.columns.values()) if options.keep == ALL else set()
            return Record(
                where, fields, {name: value[key] for name, key in names.items() if name not in wanted}
            )
        return Record(where, fields, {name: value[names[name]] for name in options.keep if name in names})

    def _names(self, keys: tuple[str, ...], where: str) -> dict[str, str]:
        """The name of each column, without white space at its ends, and the key that it has in the object."""
        names: dict[str, str] = {}
        for key in keys:
            if names.setdefault(key.strip(), key) != key:
                raise TableError(f'{where}: two keys are named {key.strip()!r}; rename one')
        text = self._options.columns.get('text')
        if text is not None and text not in names:
            raise TableError(
                f'{where}: no key is named {text!r}; there are: {", ".join(map(repr, keys[:20])) or "none"}; '
                + naming('text', text, names, self._options.remedies)
            )
        require_no_near_miss(list(names), self._options, where)
        return names
