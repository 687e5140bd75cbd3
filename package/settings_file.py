"""Reads settings from a YAML file.

The values stay texts as they are written, and each setting converts them by its own type, as those of `--set`. So
nothing depends on what YAML 1.1 takes for a number, a truth value or a date: `no`, `1e-3`, `010` and `2024-01-01`.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vaiven.configuration import Change, ConfigError, QuotedText

if TYPE_CHECKING:
    import yaml

# A thousand classes with names of a hundred characters have 400 KB in UTF-8.
MAX_BYTES = 1 << 20
_NULL = ('null', '~', 'Null', 'NULL')
# Settings have at most two names.
_MAX_DEPTH = 8


def read_settings(path: str | os.PathLike[str]) -> list[Change]:
    """Reads the settings of a file: a mapping of groups and settings, such as `training: {epochs: 3}`.

    Args:
        path: the file: YAML in UTF-8 of at most `MAX_BYTES`.

    Returns:
        The settings in the order of the file; without any, an empty list. The value `{}` stands for no value, as that
        of a group whose settings are all commented out.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has more than mappings, lists and single values. The
            message names the line.
    """
    name = os.fspath(path)
    return parse_settings(read_text(name), name)


class Place(NamedTuple):
    """Where a value is in the text of a file.

    Attributes:
        start: position of its first character.
        end: position after its last character.
        is_block: whether it is a list with a line for each item.
    """

    start: int
    end: int
    is_block: bool


def parse_settings(text: str, name: str) -> list[Change]:
    """Parses the content of a file of settings.

    Args:
        text: the content.
        name: name of the file, for messages.

    Raises:
        ConfigError: as in `read_settings`.
    """
    return [change for change, _ in _parse(text, name)]


def value_places(text: str, name: str) -> dict[str, Place]:
    """Where the value of each setting is, by its path as the file has it; arguments as for `parse_settings`."""
    return {change.path: place for change, place in _parse(text, name)}


def _parse(text: str, name: str) -> list[tuple[Change, Place]]:
    import yaml

    try:
        return list(_Parser(text, name).settings())
    except yaml.MarkedYAMLError as error:
        raise _invalid(name, error) from None
    except yaml.reader.ReaderError as error:
        line = len(f'{text[: error.position]}.'.splitlines()) - 1
        raise ConfigError(
            f'{_place(name, line)}the character U+{error.character:04X} is not allowed in YAML; remove it'
        ) from None


def read_text(path: str | os.PathLike[str]) -> str:
    """The content of a file of settings, without a byte order mark. Raises ConfigError as `read_settings`."""
    name = os.fspath(path)
    try:
        if stat.S_ISDIR(os.stat(name).st_mode):
            raise ConfigError(f'{name} is a folder; name the file with the settings')
        with Path(name).open('rb') as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, 'strerror', None) or str(error)
        raise ConfigError(f'the settings in {name!r} cannot be read ({reason}); check the path') from None
    if len(content) > MAX_BYTES:
        raise ConfigError(
            f'{name}: a file with settings must have at most {MAX_BYTES:,} bytes; is it the right one?'
        )
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start)
        raise ConfigError(f'{_place(name, line)}is not UTF-8; save the file in UTF-8') from None


class _Parser:
    """Turns the events of the YAML parser into settings. Nothing is constructed, so no tag has an effect."""

    def __init__(self, text: str, name: str) -> None:
        import yaml

        self._yaml, self._name = yaml, name
        # Position after the last value. That of the end of a list in lines is behind the comments that follow.
        self._end = 0
        # The stubs of PyYAML lack the fields of events.
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)

    def settings(self) -> Iterator[tuple[Change, Place]]:
        """Yields all settings of the file, and where their values are."""
        yaml = self._yaml
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return
        event = next(self._events)
        if isinstance(event, yaml.MappingStartEvent):
            self._require_plain(event)
            yield from self._mapping('')
        elif not isinstance(event, yaml.ScalarEvent) or event.value or event.style:
            raise self._error(event, 'the file must consist of settings, such as training: {epochs: 3}')
        next(self._events)  # the end of the document
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._error(event, 'a second document starts here; a file with settings must have only one')

    def _mapping(self, prefix: str) -> Iterator[tuple[Change, Place]]:
        yaml = self._yaml
        lines: dict[str, int] = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise self._error(key, 'the name of a setting must be a single word')
            self._require_plain(key)
            line = key.start_mark.line + 1
            if key.value in lines:
                raise self._error(
                    key,
                    f'{prefix + key.value!r} is there a second time; the first is in line {lines[key.value]}',
                )
            lines[key.value] = line
            path, event = prefix + key.value, next(self._events)
            if isinstance(event, yaml.MappingStartEvent):
                self._require_plain(event)
                if path.count('.') == _MAX_DEPTH:
                    raise self._error(event, f'{path!r} is nested too deeply for a setting')
                changes = list(self._mapping(f'{path}.'))
                place = Place(event.start_mark.index, event.start_mark.index, False)
                yield from changes or [(Change(path, {}, self._name, line), place)]
            else:
                value = self._value(event, path)
                is_block = isinstance(event, yaml.SequenceStartEvent) and not event.flow_style
                place = Place(event.start_mark.index, self._end, is_block)
                yield Change(path, value, self._name, line), place

    def _value(self, event: Any, path: str) -> Any:
        yaml = self._yaml
        self._require_plain(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
                if not isinstance(item, yaml.ScalarEvent):
                    raise self._error(item, f'{path!r} must be a list of single values')
                items.append(self._value(item, path))
            if event.flow_style:
                self._end = item.end_mark.index
            return items
        self._end = event.end_mark.index
        if event.style:  # in quotes, or a block
            return QuotedText(event.value)
        if not event.value:
            return {}
        return None if event.value in _NULL else event.value

    def _require_plain(self, event: Any) -> None:
        """Refuses what settings do not need. Aliases can expand a few lines to gigabytes."""
        if isinstance(event, self._yaml.AliasEvent):
            raise self._error(event, f'an alias (*{event.anchor}) is not allowed; repeat the value')
        if event.anchor:
            raise self._error(event, f'an anchor (&{event.anchor}) is not allowed; remove it')
        if event.tag:
            raise self._error(event, 'a tag (!…) is not allowed; put quotation marks around a text')

    def _error(self, event: Any, message: str) -> ConfigError:
        return ConfigError(_place(self._name, event.start_mark.line) + message)


def _place(name: str, line: int) -> str:
    """The start of a message; `line` counts from 0."""
    return f'{name}, line {line + 1}: '


def _invalid(name: str, error: 'yaml.MarkedYAMLError') -> ConfigError:
    problem = str(error.problem)
    # What is not closed is missing at the end of the file; its start helps more.
    is_unclosed = 'end of stream' in problem or 'stream end' in problem
    mark = (error.context_mark if is_unclosed else None) or error.problem_mark
    place = _place(name, mark.line if mark else 0)
    if is_unclosed:
        return ConfigError(f'{place}a quotation mark or bracket is not closed')
    if "'\\t'" in problem:
        return ConfigError(f'{place}a tab is not allowed here; indent with spaces')
    return ConfigError(
        f'{place}is not valid YAML ({problem}); check the indentation, and put quotation marks around a text with '
        'special characters'
    )
