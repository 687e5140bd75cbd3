"""Finds the settings for a data file that nobody has described yet, for `vaiven init`."""

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from vaiven.components.text_example_gen.column_guess import Guess, guess_columns
from vaiven.components.text_example_gen.column_profiles import ColumnProfile, TableProfile, profile_tables
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import find_local_files
from vaiven.pipeline.config import Config, configure, setting_values
from vaiven.pipeline.input_data import find_data
from vaiven.pipeline.local_addresses import require_local_path

# Columns that are not needed. They are left out if the data cannot be split with them.
_OPTIONAL = ('data.group_column', 'data.language_column', 'data.split_column')
# Settings that every file has, whatever their values.
_ALWAYS = frozenset({'preset', 'name'})
_COLUMNS = frozenset({'data.text_column', 'data.label_column'})
_MAX_LISTED = 8


class InitialSettings(NamedTuple):
    """The settings for a data file.

    Attributes:
        preset: name of the preset.
        active: value by dotted path of the settings to write.
        suggestions: the same of settings that may be wanted.
        notes: comment by path.
        head: comments about the file as a whole.
        lines: what was found, for the user.
    """

    preset: str
    active: dict[str, Any]
    suggestions: dict[str, Any]
    notes: dict[str, str]
    head: list[str]
    lines: list[str]


def default_settings(settings: Sequence[str], name: str | None) -> InitialSettings:
    """The settings of a run without `--data`.

    Args:
        settings: values of `--set`.
        name: name of the served model; None for that of the preset.

    Raises:
        ConfigError: a setting is not valid.
    """
    config = configure(None, settings, name)
    return InitialSettings(config.preset, _active(config, _ALWAYS), {}, {}, [], [])


def find_settings(
    data: Sequence[str], settings: Sequence[str], named: Mapping[str, str], name: str | None
) -> InitialSettings:
    """Looks at data files, and finds their columns and the kind of their labels.

    Args:
        data: paths or patterns, as for `--data` of a run.
        settings: values of `--set`; they win over what is found.
        named: column by part (`text`, `label`) of those that the user has named.
        name: name of the served model; None to derive it from the name of the first file.

    Raises:
        ConfigError: a setting is not valid.
        DataError: a file cannot be read, or a model cannot be trained on it.
    """
    files = find_local_files([require_local_path(path, '--data') for path in data])
    name = name or model_name(files.data[0])
    if files.is_running_text:
        config = configure('novel', settings, name)
        lines = find_data(data, [], config).notes
        return InitialSettings(config.preset, _active(config, _ALWAYS), {}, {}, [], lines)
    given = configure(None, settings, name)
    table = profile_tables(files.data, given.data)
    guess = guess_columns(table, {**_named_columns(given), **named})
    config, guess = _without_unusable(data, given, table, guess)
    found = find_data(data, [], config)
    active = _active(config, _ALWAYS | _COLUMNS)
    if (
        config.data.label_column
        and config.data.label_kind == 'auto'
        and not any(config.data.is_set(sense) for sense in ('negative', 'positive'))
    ):
        active['data.label_kind'] = found.config.data.label_kind
        active['data.classes'] = found.config.data.classes
    suggestions = {path: value for path, value in guess.suggestions.items() if path not in active}
    columns = ', '.join(column.name for column in table.columns)
    head = [f'Data: {files.name}, {table.rows:,} rows. Columns: {columns}.', *found.notes]
    return InitialSettings(
        config.preset, active, suggestions, _notes(table, {**active, **suggestions}), head, found.notes
    )


def model_name(path: str) -> str:
    """A valid name for a model, from the name of a file."""
    stem = os.path.basename(path).partition('.')[0]
    return re.sub(r'[^A-Za-z0-9_-]+', '-', stem).strip('-')[:100] or 'model'


def _named_columns(config: Config) -> dict[str, str]:
    """Column by part, of the columns that differ from the defaults."""
    defaults = configure().data.named_columns()
    return {
        part: column for part, column in config.data.named_columns().items() if defaults.get(part) != column
    }


def _without_unusable(
    data: Sequence[str], given: Config, table: TableProfile, guess: Guess
) -> tuple[Config, Guess]:
    """The configuration with the columns that were guessed.

    If the data cannot be split with the optional columns, they become suggestions.
    """
    settings = {**guess.settings, **({'data.delimiter': table.delimiter} if table.delimiter else {})}
    words = {'text': 'texts', 'label': 'labels'}
    if given.data.label_column is None:  # the user wants a language model
        del words['label']
        settings.pop('data.label_column', None)
    for part in words:
        if f'data.{part}_column' not in settings:
            raise DataError(
                f'no column looks like {words[part]}: name it with --{part}-column=NAME; there are: '
                + ', '.join(repr(column.name) for column in table.columns[:20])
            )
    config = with_data(given, settings)
    optional = {path: settings.pop(path) for path in _OPTIONAL if path in settings}
    if optional:
        try:
            find_data(data, [], config)
        except DataError:
            return with_data(given, settings), Guess(settings, {**optional, **guess.suggestions})
    return config, guess


def with_data(config: Config, settings: Mapping[str, Any]) -> Config:
    """A copy of the configuration with other settings of the data.

    Args:
        config: the configuration.
        settings: value by path, such as `data.text_column`.
    """
    values = {path.removeprefix('data.'): value for path, value in settings.items()}
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **values))


def _active(config: Config, always: Iterable[str]) -> dict[str, Any]:
    """The settings that differ from those of the preset, and some that are always written."""
    defaults = dict(setting_values(configure(config.preset)))
    return {
        path: value for path, value in setting_values(config) if path in always or value != defaults[path]
    }


def _notes(table: TableProfile, settings: Mapping[str, Any]) -> dict[str, str]:
    """What the columns contain, by setting."""
    columns = {column.name: column for column in table.columns}
    return {
        path: _note(path, columns[column])
        for path, column in settings.items()
        if path.endswith('_column') and column in columns
    }


def _note(path: str, column: ColumnProfile) -> str:
    part = path.removeprefix('data.').removesuffix('_column')
    if part == 'text':
        return f'{column.name}: {column.filled:,} texts, {column.mean_length:.0f} characters on average.'
    frequent = sorted(column.values.items(), key=lambda item: -item[1])
    if part == 'time':
        return f'{column.name}: {column.filled:,} values, such as {frequent[0][0]}.'
    if part == 'group':
        return f'{column.name}: {len(column.values):,} groups.'
    if part == 'rating':
        return f'{column.name}: {column.numbers:,} numbers from {column.low:g} to {column.high:g}.'
    listed = ' · '.join(f'{value} {rows:,}' for value, rows in frequent[:_MAX_LISTED])
    more = f' · {len(frequent) - _MAX_LISTED:,} more' if len(frequent) > _MAX_LISTED else ''
    return f'{column.name}: {listed}{more}.'
