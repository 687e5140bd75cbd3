"""Configuration as a tree of frozen dataclasses, with conversion from and to JSON and changes by dotted path.

Each group of settings checks its values in `__post_init__` and raises `ConfigError`, so every instance is valid. A
renamed setting is also read under its former name: `field(metadata={'formerly': 'old_name'})`.
"""

import dataclasses
import json
import logging
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, Union

from vaiven.errors import UserError

T = TypeVar('T')
log = logging.getLogger(__name__)


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


def replace(config: T, path: str, text: str) -> T:
    """A copy of `config` with one value changed, as by `--set training.epochs=3`.

    Args:
        config: the root of the tree.
        path: names separated by dots.
        text: the value; a list is JSON (`[1, 2]`) or separated by commas.

    Raises:
        ConfigError: there is no such setting, or its value is not valid.
    """
    return replace_all(config, [(path, text)])


def replace_all(config: T, changes: Iterable[tuple[str, str]]) -> T:
    """A copy of `config` with several values changed at once, so that values that depend on each other need no order.

    Args:
        config: the root of the tree.
        changes: path and value of each change, as for `replace`. If a path occurs twice, the last value counts.

    Raises:
        ConfigError: there is no such setting, or a value is not valid.
    """
    replaced: T = _replace(config, [(path.split('.'), text) for path, text in changes], '')
    return replaced


def _current_names(kind: type) -> dict[str, str]:
    """The current name of each renamed setting of a dataclass, by its former name."""
    return {
        field.metadata['formerly']: field.name
        for field in dataclasses.fields(kind)
        if 'formerly' in field.metadata
    }


def _replace(config: Any, changes: Sequence[tuple[list[str], str]], path: str) -> Any:
    hints = typing.get_type_hints(type(config))
    values: dict[str, Any] = {}
    inner: dict[str, list[tuple[list[str], str]]] = {}
    renamed = _current_names(type(config))
    for (given_name, *rest), text in changes:
        name = renamed.get(given_name, given_name)
        if name != given_name:
            log.warning('the setting %s has been renamed to %s', path + given_name, path + name)
        if name not in hints:
            raise ConfigError(
                f'there is no setting {path + name!r}; there are: ' + ', '.join(path + n for n in hints)
            )
        if not dataclasses.is_dataclass(hints[name]):
            if rest:
                raise ConfigError(f'{path + name!r} is a single value and has no setting {".".join(rest)!r}')
            values[name] = _convert(hints[name], _parse(hints[name], text), path + name)
        elif rest:
            inner.setdefault(name, []).append((rest, text))
        else:
            raise ConfigError(
                f'{path + name!r} is a group of settings; choose one of: '
                + ', '.join(f'{path}{name}.{field.name}' for field in dataclasses.fields(hints[name]))
            )
    for name, group in inner.items():
        values[name] = _replace(getattr(config, name), group, f'{path}{name}.')
    return dataclasses.replace(config, **values)


def _parse(hint: Any, text: str) -> Any:
    if hint is str or (str in typing.get_args(hint) and typing.get_origin(hint) in (Union, types.UnionType)):
        return None if text == 'null' and hint is not str else text
    if typing.get_origin(hint) is tuple and not text.startswith('['):
        return [_parse(typing.get_args(hint)[0], part.strip()) for part in text.split(',') if part.strip()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


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
        f'{path} must be of type {hint.__name__}',
        value,
    )
    return value
