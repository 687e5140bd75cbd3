"""Changes the values in a file of settings that do not fit new data, for `vaiven init --update`.

Every other character of the file stays as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from vaiven.components.text_example_gen.column_guess import guess_columns
from vaiven.components.text_example_gen.column_profiles import TableProfile, profile_tables
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import find_local_files
from vaiven.configuration import ConfigError
from vaiven.pipeline.config import Config, configure
from vaiven.pipeline.initial_settings import with_data
from vaiven.pipeline.input_data import find_data
from vaiven.pipeline.settings_template import yaml_value
from vaiven.serving.common.labels import label_key
from vaiven.settings_file import parse_settings, value_places


def outdated_settings(path: str, data: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Finds the settings that do not fit the data: columns that are gone, and classes.

    Args:
        path: the file of settings.
        data: paths or patterns of the data, as for `--data` of a run.

    Returns:
        Dotted path → the value that fits, of each such setting; and lines about the data.

    Raises:
        ConfigError: the file is not valid.
        DataError: the data cannot be read, or no settings fit it.
    """
    config = configure(file=path)
    files = find_local_files(data)
    changes: dict[str, Any] = {}
    if not files.is_running_text:
        changes = _column_changes(config.data, profile_tables(files.data, config.data))
    config = with_data(config, changes)
    try:
        return changes, find_data(data, [], config).notes
    except DataError:
        if not config.data.classes:
            raise
    class_changes, lines = _class_changes(config, data)
    return {**changes, **class_changes}, lines


def _column_changes(config: DataConfig, table: TableProfile) -> dict[str, Any]:
    """The columns that the table does not have, with those that it has instead."""
    names = {column.name for column in table.columns}
    columns = config.named_columns()
    guess = guess_columns(table, {part: column for part, column in columns.items() if column in names})
    found = {**guess.suggestions, **guess.settings}
    changes = {}
    for part, column in columns.items():
        path = f'data.{part}_column'
        if column not in names:
            if part in ('text', 'label') and path not in found:
                raise DataError(
                    f'no column is named {column!r}, and none looks like it: name it in the file; there are: '
                    + ', '.join(repr(column.name) for column in table.columns[:20])
                )
            changes[path] = found.get(path)
    return changes


def _class_changes(config: Config, data: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Kind and classes that fit the data, and lines about it. Classes keep their order where they have none."""
    found = find_data(data, [], with_data(config, {'data.label_kind': 'auto', 'data.classes': ()}))
    kind, classes = found.config.data.label_kind, found.config.data.classes
    if kind == config.data.label_kind != 'ordinal':
        known = set(map(label_key, config.data.classes))
        added = tuple(name for name in classes if label_key(name) not in known)
        classes = (*config.data.classes, *added)
    changes = {'data.label_kind': kind, 'data.classes': classes}
    changes = {path: value for path, value in changes.items() if value != _value(config, path)}
    return changes, find_data(data, [], with_data(config, changes)).notes


def _value(config: Config, path: str) -> Any:
    return getattr(config.data, path.removeprefix('data.'))


def replace_values(text: str, changes: Mapping[str, Any], name: str) -> str:
    """The text with other values.

    Args:
        text: the content of a file of settings.
        changes: new value by dotted path.
        name: name of the file, for messages.

    Raises:
        ConfigError: a setting is not in the file, or the items of its list have comments that would be lost.
    """
    places = value_places(text, name)
    for path, value in changes.items():
        if path not in places:
            group, _, setting = path.partition('.')
            raise ConfigError(
                f'{name}: the data needs {path}; add this line to the group {group}: {setting}: {yaml_value(value)}'
            )
    for path, value in sorted(changes.items(), key=lambda change: -places[change[0]].start):
        start, end, is_block = places[path]
        old, new = text[start:end], yaml_value(value)
        if is_block:
            new = _block(old, value, text[text.rfind('\n', 0, start) + 1 : start])
        if '#' in old and '\n' in old and not new.startswith(old):
            raise ConfigError(
                f'{name}: {path} no longer fits the data, and its list has comments; '
                f'change it by hand to {yaml_value(value)}'
            )
        text = text[:start] + new + text[end:]
    return text


def _block(old: str, items: Sequence[Any], indent: str) -> str:
    """A list with a line for each item. The lines are kept if items are only added at the end.

    Args:
        old: the text of the list.
        items: the new items.
        indent: white space at the start of its lines.
    """
    separator = ('\r\n' if '\r\n' in old else '\n') + indent
    lines = [f'- {yaml_value(item)}' for item in items]
    [kept] = [change.value for change in parse_settings(f'items:\n{indent}{old}', '')]
    if kept == list(items[: len(kept)]):
        return separator.join([old, *lines[len(kept) :]])
    return separator.join(lines)
