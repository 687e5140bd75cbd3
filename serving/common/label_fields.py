"""The labels in one field of a table: one label, a list, or several labels with a separator."""

import ast
import json
from collections.abc import Iterable

from vaiven.serving.common.labels import is_missing, label_key

# A longer field is a text, not a list that pandas wrote.
_MAX_PYTHON_LIST = 10_000


def field_labels(field: str | None, separator: str = '') -> tuple[str, ...] | None:
    """Splits a field into its labels, as they are spelled there.

    A list is JSON, or as pandas writes it to csv: `['a', 'b']`. Missing values in a list are left out, and so is a
    label that is there twice.

    Args:
        field: content of the field; None if the row has none.
        separator: divides several labels, as in `a|b`; '' if only lists have several.

    Returns:
        The labels; () for an empty list, which says that the row belongs to no class; None for a missing label.

    Example:
        field_labels('["a", "b"]')  # ('a', 'b')
        field_labels('a|b', '|')  # ('a', 'b')
    """
    if field is None or is_missing(field):
        return None
    text = field.strip()
    items = _list(text)
    if items is None:
        if not separator or separator not in text:
            return (text,)
        items = [*map(str.strip, text.split(separator))]
    labels = _different(item for item in items if not is_missing(item))
    return None if items and not labels else labels


def _different(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels, each once, by their first spelling."""
    by_key: dict[str, str] = {}
    for label in labels:
        by_key.setdefault(label_key(label), label)
    return tuple(by_key.values())


def _list(text: str) -> list[str] | None:
    """The items of a list of texts and numbers; None for any other text."""
    if not (text.startswith('[') and text.endswith(']')):
        return None
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        try:
            items = ast.literal_eval(text) if len(text) <= _MAX_PYTHON_LIST else None
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return None
    if not isinstance(items, list) or any(isinstance(item, (list, dict, tuple, set)) for item in items):
        return None
    return [item.strip() if isinstance(item, str) else json.dumps(item) for item in items]
