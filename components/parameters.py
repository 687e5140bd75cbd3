"""Split and feature names as execution parameters of components.

TFX stores execution parameters as strings or numbers, so a list of names travels as JSON.
"""

import json
from collections.abc import Sequence
from typing import Any

from vaiven.configuration import require


def require_names(component: str, **names: str) -> None:
    """Checks the split and feature names that a component is given.

    Args:
        component: class name of the component; the message starts with it.
        **names: value of each parameter, by the parameter's name.

    Raises:
        ConfigError: if a name is not a string, or is empty.
    """
    for parameter, name in names.items():
        require(isinstance(name, str) and bool(name), f'{component}: {parameter} must be a name', name)


def names_to_json(component: str, parameter: str, names: Sequence[str]) -> str:
    """Checks a list of names and returns it as JSON.

    Args:
        component: class name of the component; the message starts with it.
        parameter: name of the parameter.
        names: one or more names.

    Raises:
        ConfigError: if there is no name, one is empty, or one string is given instead of a list.
    """
    valid = not isinstance(names, str) and len(names) > 0 and all(isinstance(n, str) and n for n in names)
    require(valid, f'{component}: {parameter} must be a list of names', names)
    return json.dumps(list(names))


def names_from_json(exec_properties: dict[str, Any], parameter: str, default: Sequence[str]) -> list[str]:
    """Reads a list of names in an executor.

    Args:
        exec_properties: as TFX gives them to `Do`.
        parameter: name of the parameter.
        default: the names where the parameter is absent, as in pipelines that an earlier version compiled.
    """
    value = exec_properties.get(parameter)
    return list(default) if value is None else [str(name) for name in json.loads(value)]
