"""What the label of a row means to a model: one of its classes, several of them, or that the row is unlabelled."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from vaiven.label_spec import SENTIMENT, LabelSpec
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.labels import MISSING, NEGATIVE, POSITIVE, UNLABELLED, class_indices, label_key

# A class, or the classes of a row of a multilabel model.
Label = str | frozenset[str]

SEPARATOR = '|'
# In the folder of a SavedModel: the configuration of the run that trained it.
CONFIG = Path('assets.extra', 'vaiven.json')
_MAX_SHOWN_CLASSES = 20
_MAX_SHOWN_CHARACTERS = 40


@dataclasses.dataclass(frozen=True)
class ModelLabels:
    """The classes of a model, and the labels that mean them.

    Attributes:
        spec: kind and classes.
        meanings: `label_key` of a label → the class that it means, or None for the label of unlabelled rows.
        separator: divides the labels of a row of a multilabel model.
        is_open: whether any other label stands for itself, because not all classes are known; otherwise it is refused.
    """

    spec: LabelSpec
    meanings: Mapping[str, str | None]
    separator: str = SEPARATOR
    is_open: bool = False

    @classmethod
    def from_config(cls, config: str | Mapping[str, Any]) -> 'ModelLabels':
        """The labels of a model with the configuration of its run.

        A model of sentiment has the negative, positive and unlabelled labels of its configuration. The labels of other
        models are the names of their classes, compared as `label_key` does; negative, neutral and positive have their
        usual spellings, too.

        Args:
            config: the configuration, as values or as the JSON in `assets.extra/vaiven.json`.

        Raises:
            ValueError: it is not the JSON of a configuration.
        """
        try:
            values = json.loads(config) if isinstance(config, str) else config
            spec, data = LabelSpec.from_config(values), values['data']
            return cls(spec, _meanings(spec, data), data.get('label_separator', SEPARATOR))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError('the configuration of a run has labels in its part `data`') from error

    @classmethod
    def from_classes(
        cls,
        kind: Literal['binary', 'multiclass', 'ordinal', 'multilabel'],
        classes: Sequence[str],
        *,
        is_open: bool = False,
    ) -> 'ModelLabels':
        """The labels of a model of which only kind and classes are known.

        Args:
            kind: of the labels.
            classes: their names, in the order of the model.
            is_open: whether the model may have other classes.
        """
        spec = LabelSpec(kind, tuple(classes))
        return cls(spec, _meanings(spec, {}), is_open=is_open)

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, Any]) -> 'ModelLabels | None':
        """The labels of a running model, whose files need not be on this machine.

        Args:
            outputs: arrays by name, the outputs of the signature `serving_default` for one text.

        Returns:
            The labels; None if the model is no classifier. A model without the output `classes`, such as one that an
            earlier version of this package exported, has the labels of sentiment or unknown ones.
        """
        if 'label' not in outputs:
            return None
        if 'classes' not in outputs:
            return UNKNOWN
        classes = [name.decode() for name in outputs['classes'][0].tolist()]
        if 'labels' in outputs:
            return cls.from_classes('multilabel', classes)
        if 'expected_value' in outputs:
            return cls.from_classes('ordinal', classes)
        return cls.from_classes('binary' if 'probability' in outputs else 'multiclass', classes)

    def read(self, label: str | None, where: str) -> Label | None:
        """Returns what a label means.

        Args:
            label: the field of a row; None or empty if the row has none. For a multilabel model: labels with the
                separator between them, or a JSON list.
            where: names the row, for messages.

        Returns:
            A class, or for a multilabel model the set of classes; None for an unlabelled row.

        Raises:
            ServingError: the label is not one of the model's.
        """
        if label is None or (key := label_key(label)) in MISSING:
            return None
        # A class of a multilabel model may have the separator in its name.
        if self.spec.kind != 'multilabel' or key in self.meanings:
            meaning = self._class_of(label, where)
            return (
                frozenset((meaning,)) if meaning is not None and self.spec.kind == 'multilabel' else meaning
            )
        classes = (self._class_of(part, where) for part in divided(label, self.separator))
        return frozenset(name for name in classes if name is not None)

    def with_classes(self, classes: Iterable[str]) -> 'ModelLabels':
        """Returns these labels and the names of further classes, such as those of the version to compare with."""
        known = set(map(label_key, self.spec.classes))
        further = {label_key(name): name for name in classes if label_key(name) not in known}
        return dataclasses.replace(self, meanings=further | dict(self.meanings))

    def are_usual(self, name: str) -> bool:
        """Whether the labels of a class of sentiment are the defaults, so that nobody has chosen their meaning."""
        usual = {SENTIMENT[0]: NEGATIVE, SENTIMENT[1]: POSITIVE}
        labels = {key for key, meaning in self.meanings.items() if meaning == name}
        return self.spec.is_sentiment and labels == set(usual.get(name, ()))

    def _class_of(self, label: str, where: str) -> str | None:
        key = label_key(label)
        if key in self.meanings:
            return self.meanings[key]
        if self.is_open:
            return label.strip()
        raise ServingError(
            f'{where}: {label[:_MAX_SHOWN_CHARACTERS]!r} is not one of the labels of the model ({self._shown()})'
        )

    def _shown(self) -> str:
        if self.spec.is_sentiment:
            keys = {
                name: [key for key, meaning in self.meanings.items() if meaning == name] for name in SENTIMENT
            }
            return '; '.join(f'{name}: {", ".join(labels)}' for name, labels in keys.items())
        names = list(dict.fromkeys(name for name in self.meanings.values() if name is not None))
        rest = f' and {len(names) - _MAX_SHOWN_CLASSES} more' if len(names) > _MAX_SHOWN_CLASSES else ''
        return ', '.join(names[:_MAX_SHOWN_CLASSES]) + rest


def of_model(folder: Path) -> ModelLabels | None:
    """Returns the labels of a SavedModel.

    Args:
        folder: of the SavedModel, such as a version in a serving folder.

    Returns:
        The labels; None if it has no configuration, because it does not exist or was not made by this package.
    """
    try:
        return ModelLabels.from_config((folder / CONFIG).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None


def divided(label: str, separator: str = SEPARATOR) -> list[str]:
    """Returns the labels in the field of a row.

    Args:
        label: labels with the separator between them, or a JSON list of texts and numbers.
        separator: one character.

    Example:
        divided('billing| login')  # ['billing', 'login']
        divided('["a|b", 3]')  # ['a|b', '3']
        divided('[]')  # []: the row is labelled, and belongs to no class
    """
    text = label.strip()
    if text.startswith('['):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = [None]
        if isinstance(values, list) and all(isinstance(value, str | int | float) for value in values):
            return [value if isinstance(value, str) else json.dumps(value) for value in values]
    return [part for part in map(str.strip, text.split(separator)) if part]


def joined(labels: Iterable[str], separator: str = SEPARATOR) -> str:
    """Returns labels as the field of a row, which `divided` reads; a JSON list if a separator would not do."""
    names = list(labels)
    text = separator.join(names)
    return text if names and divided(text, separator) == names else json.dumps(names, ensure_ascii=False)


def _meanings(spec: LabelSpec, data: Mapping[str, Any]) -> dict[str, str | None]:
    """`label_key` → class; None for unlabelled rows."""
    usual = {'unlabelled': UNLABELLED, 'negative': NEGATIVE, 'positive': POSITIVE}
    keys = {
        part: {label_key(label): None for label in data.get(f'{part}_labels', usual[part])} for part in usual
    }
    if not spec.is_sentiment:
        indices = class_indices(spec.classes)
        return {**keys['unlabelled'], **{key: spec.classes[index] for key, index in indices.items()}}
    # As a run reads them: labels that were set take precedence over the defaults.
    parts = sorted(usual, key=lambda part: set(keys[part]) != set(map(label_key, usual[part])))
    return {key: None if part == 'unlabelled' else part for part in parts for key in keys[part]}


# Of a model that says nothing about its classes: usual spellings mean those of sentiment, other labels themselves.
UNKNOWN = ModelLabels.from_classes('binary', SENTIMENT, is_open=True)
