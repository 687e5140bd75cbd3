"""Configuration as a tree of frozen dataclasses, with conversion from and to JSON and changes by dotted path.

Each group of settings checks its values in `__post_init__` and raises `ConfigError`, so every instance is valid. A
renamed setting is also read under its former name: `field(metadata={'formerly': 'old_name'})`.
"""

import contextlib
import dataclasses
import difflib
import json
import logging
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, Union

from vaiven.errors import UserError

T = TypeVar('T')
log = logging.getLogger(__name__)
# Below this share of equal characters (`difflib.SequenceMatcher.ratio`), a name is not one that was misspelled.
_MIN_LIKENESS = 0.7


class ConfigError(UserError, ValueError):
    """A setting does not exist, or its value is not valid."""


def require(condition: bool, rule: str, received: object) -> None:
    """Checks a value.

    Args:
        condition: whether the value is valid.
        rule: the rule, for the message.
        received: the value, for the message.

    Raises:
        ConfigError: `condition` is false.
    """
    if not condition:
        raise ConfigError(f'{rule}. Received: {received!r}')


def to_json(config: Any) -> str:
    """A configuration as JSON, with sorted keys."""
    return json.dumps(dataclasses.asdict(config), ensure_ascii=False, sort_keys=True)


def from_json(kind: type[T], text: str) -> T:
    """Builds a configuration from JSON.

    Args:
        kind: the dataclass.
        text: from `to_json`; former names of settings are accepted.

    Raises:
        ConfigError: a setting does not exist, or its value is not valid.
    """
    return from_dict(kind, json.loads(text))


def from_dict(kind: type[T], values: dict[str, Any], path: str = '') -> T:
    """Builds a dataclass, and the dataclasses in it, from plain values.

    Args:
        kind: the dataclass.
        values: value by name of the setting; former names are accepted.
        path: start of the paths in messages: the path of the group and a dot.

    Raises:
        ConfigError: a setting does not exist, or its value is not valid.
    """
    hints = typing.get_type_hints(kind)
    renamed = _current_names(kind)
    values = {renamed.get(name, name): value for name, value in values.items()}
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigError(
            f'there is no setting {path + unknown[0]!r}; there are: ' + ', '.join(path + n for n in hints)
        )
    return kind(**{name: _convert(hints[name], value, path + name) for name, value in values.items()})


class QuotedText(str):
    """A text in quotes, which is not read as a number, a truth value, null or a list."""


class Change(NamedTuple):
    """A change of one setting.

    Attributes:
        path: names separated by dots.
        value: text as `--set` takes it, where a list is JSON (`[1, 2]`) or separated by commas; a `QuotedText`; None
            for null; a list of these; or `{}` for a group without settings.
        file: the file that it comes from, for messages; empty for the command line.
        line: its line there, from 1.
    """

    path: str
    value: Any
    file: str = ''
    line: int = 0

    @property
    def where(self) -> str:
        """File and line, as messages start; empty for the command line."""
        return f'{self.file}, line {self.line}: ' if self.file else ''


def replace(config: T, path: str, value: Any) -> T:
    """A copy of `config` with one value changed, as by `--set training.epochs=3`.

    Args:
        config: the root of the tree.
        path: names separated by dots.
        value: as in `Change`.

    Raises:
        ConfigError: there is no such setting, or its value is not valid.
    """
    return replace_all(config, [Change(path, value)])


def replace_all(config: T, changes: Sequence[Change]) -> T:
    """A copy of `config` with several values changed at once, so that values that depend on each other need no order.

    Args:
        config: the root of the tree.
        changes: the changes. If a setting occurs twice, the last value counts; a file may not name it twice.

    Raises:
        ConfigError: there is no such setting, or a value is not valid.
    """
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for change in changes:
        try:
            path, hint = _resolve(type(config), change.path)
            if path != change.path:
                log.warning('%sthe setting %s has been renamed to %s', change.where, change.path, path)
            if change.file and path in lines:
                raise ConfigError(f'{path} is set a second time; the first is in line {lines[path]}')
            if not _is_empty_group(hint, change.value, path):
                values[path] = _convert(hint, _parse(hint, change.value), path)
        except ConfigError as error:
            raise ConfigError(f'{change.where}{error}') from None
        if change.file:
            lines[path] = change.line
    with located(type(config), changes):
        replaced: T = _replace(config, values)
    return replaced


@contextlib.contextmanager
def located(kind: type, changes: Sequence[Change]) -> Iterator[None]:
    """Puts the file and line of the first setting that the message of a ConfigError names in front of it.

    Args:
        kind: the dataclass at the root of the tree.
        changes: all changes, in their order.
    """
    try:
        yield
    except ConfigError as error:
        message = str(error)
        places = {_resolve(kind, change.path)[0]: change for change in changes}
        named = [path for path in re.findall(r'\w+(?:\.\w+)+|^\w+', message) if path in places]
        if named:
            raise ConfigError(f'{places[named[0]].where}{message}') from None
        # A rule of a whole group, such as that its columns must be different.
        group = message.partition(':')[0] + '.'
        file = next((places[path].file for path in places if path.startswith(group)), '')
        raise ConfigError(f'{file}: {message}' if file else message) from None


def _current_names(kind: type) -> dict[str, str]:
    """The current name of each renamed setting of a dataclass, by its former name."""
    return {
        field.metadata['formerly']: field.name
        for field in dataclasses.fields(kind)
        if 'formerly' in field.metadata
    }


def _resolve(kind: type, given_path: str) -> tuple[str, Any]:
    """The path of a setting or a group with current names, and its type. Raises ConfigError if there is none."""
    names: list[str] = []
    hint: Any = kind
    for given_name in given_path.split('.'):
        path = '.'.join(names)
        if not dataclasses.is_dataclass(hint):
            rest = given_path.split('.')[len(names) :]
            raise ConfigError(f'{path!r} is a single value and has no setting {".".join(rest)!r}')
        group = typing.cast(type, hint)
        name = _current_names(group).get(given_name, given_name)
        hints = typing.get_type_hints(group)
        if name not in hints:
            raise ConfigError(_unknown(kind, given_path, names, hints))
        names.append(name)
        hint = hints[name]
    return '.'.join(names), hint


def _is_empty_group(hint: Any, value: Any, path: str) -> bool:
    """Whether a change names a group without settings in it. Raises ConfigError if only one of both is true."""
    if not dataclasses.is_dataclass(hint):
        if value == {}:
            raise ConfigError(f'{path} has no value; write null for none, or remove the line')
        return False
    if value != {}:
        raise ConfigError(
            f'{path!r} is a group of settings; choose one of: '
            + ', '.join(f'{path}.{field.name}' for field in dataclasses.fields(hint))
        )
    return True


def _unknown(kind: type, path: str, group: Sequence[str], siblings: Iterable[str]) -> str:
    """The message for a setting that does not exist: with the nearest name, or else the names of its group."""
    names = path.split('.')
    similar = difflib.get_close_matches(names[len(group)], list(siblings), 1, _MIN_LIKENESS)
    nearest = [known for known in setting_paths(kind) if known.split('.')[-1] == names[-1]]
    if nearest := nearest or ['.'.join([*group, name, *names[len(group) + 1 :]]) for name in similar]:
        return f'there is no setting {path!r}; did you mean {nearest[0]!r}?'
    return f'there is no setting {path!r}; there are: ' + ', '.join(
        '.'.join([*group, name]) for name in siblings
    )


def setting_paths(kind: type, prefix: str = '') -> Iterator[str]:
    """The dotted path of each setting of a dataclass and its groups.

    Args:
        kind: the dataclass.
        prefix: start of the paths: the path of the group and a dot.
    """
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from setting_paths(typing.cast(type, hint), f'{prefix}{name}.')
        else:
            yield prefix + name


def _replace(config: Any, values: Mapping[str, Any]) -> Any:
    groups: dict[str, dict[str, Any]] = {}
    changed: dict[str, Any] = {}
    for path, value in values.items():
        name, _, rest = path.partition('.')
        if rest:
            groups.setdefault(name, {})[rest] = value
        else:
            changed[name] = value
    for name, group in groups.items():
        changed[name] = _replace(getattr(config, name), group)
    return dataclasses.replace(config, **changed)


def _parse(hint: Any, value: Any) -> Any:
    """The value of a change, as plain values: what is a text for some types is a number or a list for others."""
    if isinstance(value, list):
        item = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint
        return [_parse(item, part) for part in value]
    if isinstance(value, QuotedText):
        return str(value)
    if not isinstance(value, str):
        return value
    if hint is str or (str in typing.get_args(hint) and typing.get_origin(hint) in (Union, types.UnionType)):
        return None if value == 'null' and hint is not str else value
    if typing.get_origin(hint) is tuple and not value.startswith('['):
        return [_parse(typing.get_args(hint)[0], part.strip()) for part in value.split(',') if part.strip()]
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _convert(hint: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, f'{path}.')
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_convert(arguments[0], item, path) for item in value)
        raise ConfigError(f'{path} must be a list. Received: {value!r}')
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(kind for kind in arguments if kind is not type(None)), value, path)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is typing.Literal:
        require(value in arguments, f'{path} must be one of {", ".join(map(str, arguments))}', value)
        return value
    require(
        isinstance(value, hint) and not (hint is int and isinstance(value, bool)),
        f'{path} must be {"true or false" if hint is bool else f"of type {hint.__name__}"}',
        value,
    )
    return value
