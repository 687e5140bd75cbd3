"""Writes a commented file of settings, for `vaiven init`.

A line `# Text` is a comment, and a line `#setting: value` a setting with its default value. It counts when the `#` is
removed.
"""

import dataclasses
import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vaiven.pipeline.config import Config
from vaiven.pipeline.settings_page import Setting, settings

# Settings that are shown also if their values are the defaults.
SHOWN = frozenset(
    {
        'name', 'preset', 'data.text_column', 'data.label_column', 'data.group_column', 'data.language_column',
        'data.rating_column', 'data.rating_range', 'data.label_kind', 'data.classes', 'data.split_column',
        'data.time_column', 'data.encoding', 'data.delimiter', 'vocabulary.max_size',
        'text.max_tokens', 'text.lowercase', 'network.cell', 'network.units', 'network.layers', 'network.dropout',
        'training.epochs', 'training.batch_size', 'training.learning_rate', 'training.patience',
        'training.class_weight', 'training.mixed_precision', 'training.seed', 'tuning.trials',
        'evaluation.min_accuracy', 'evaluation.max_accuracy_drop', 'evaluation.behaviour_file',
    }
)  # fmt: skip
_WIDTH = 100
_SENTENCE_END = re.compile(r'\.\s+(?=[A-Z`])')


def settings_template(
    config: Config,
    active: Mapping[str, Any],
    suggestions: Mapping[str, Any],
    notes: Mapping[str, str],
    head: Sequence[str],
) -> str:
    """The content of the file.

    Args:
        config: has the default values of the settings that are commented out.
        active: value by dotted path of each setting that counts.
        suggestions: the same of settings that are commented out with this value instead of the default.
        notes: comment by path that explains its value; may have several lines.
        head: comments at the start of the file.
    """
    lines = [*(line for text in head for line in _comment(text, '')), '']
    for title, group in _groups(config):
        indent, prefix = ('  ', f'{title}.') if title else ('', '')
        entries: list[str] = []
        for setting in settings(type(group), prefix, {config.preset: group}):
            path, name = setting.path, setting.path.removeprefix(prefix)
            if not {path} & {*active, *suggestions, *SHOWN}:
                continue
            for comment in (_meaning(setting), *notes.get(path, '').splitlines()):
                entries += _comment(comment, indent)
            if path in active:
                entries += yaml_lines(name, active[path], indent)
            else:
                value = suggestions.get(path, getattr(group, name))
                entries.append(f'{indent}#{name}: {yaml_value(value)}')
        if entries:
            lines += [f'{title}:', *entries, ''] if title else [*entries, '']
    return '\n'.join(lines)


def yaml_value(value: Any) -> str:
    """A value of a setting in one line of YAML, which other readers of YAML understand in the same way."""
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(yaml_value, value))}]'
    return _yaml_text(value) if isinstance(value, str) else json.dumps(value)


def yaml_lines(name: str, value: Any, indent: str = '') -> list[str]:
    """A setting in YAML; the items of a long list have lines of their own.

    Args:
        name: name of the setting.
        value: its value.
        indent: white space at the start of the lines.
    """
    line = f'{indent}{name}: {yaml_value(value)}'
    if not isinstance(value, (list, tuple)) or len(line) <= _WIDTH:
        return [line]
    return [f'{indent}{name}:', *(f'{indent}  - {yaml_value(item)}' for item in value)]


def _yaml_text(text: str) -> str:
    """A text without quotation marks if no reader takes it for something else, such as a number or `no`."""
    import yaml

    try:
        if yaml.safe_load(f'[{text}]') == [text] and yaml.safe_load(f'- {text}') == [text]:
            return text
    except yaml.YAMLError:
        pass
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return quoted.strip()


def _groups(config: Config) -> Iterator[tuple[str, Any]]:
    """Name and group of the settings outside of groups, and of each group."""
    yield '', config
    for field in dataclasses.fields(config):
        group = getattr(config, field.name)
        if dataclasses.is_dataclass(group):
            yield field.name, group


def _comment(text: str, indent: str) -> list[str]:
    # A line separator in the name of a column would end the comment.
    printable = ''.join(sign if sign.isprintable() else ' ' for sign in text)
    start = f'{indent}# '
    return textwrap.wrap(
        printable, _WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False
    )


def _meaning(setting: Setting) -> str:
    """The first sentence about a setting, and its choices."""
    sentence = _SENTENCE_END.split(setting.meaning)[0].rstrip('.')
    choices = f': {setting.type}' if ', ' in setting.type else ''
    return f'{sentence[:1].upper()}{sentence[1:]}{choices}.'.replace('`', '')
