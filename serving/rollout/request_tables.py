"""Reads texts and their labels from a table of requests."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.labels import (
    NEGATIVE,
    POSITIVE,
    different_meanings,
    is_missing,
    label_key,
    usual_class,
)
from vaiven.serving.common.tables.blocks import Blocks, open_path
from vaiven.serving.common.tables.fasttext import PREFIX
from vaiven.serving.common.tables.lines import Lines
from vaiven.serving.common.tables.names import TABLES, split_name
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import Options, Remedies
from vaiven.serving.common.tables.reading import table_rows

TEXT, LABEL = 'text', 'label'
LINES = '.txt'
CLASSES = ('negative', 'positive')
_DEFAULTS = {'negative': frozenset(NEGATIVE), 'positive': frozenset(POSITIVE)}
UNLABELLED = 'unlabelled'
_CONFIG = Path('assets.extra', 'vaiven.json')
_MAX_SHOWN = 5
_REMEDIES = Remedies(
    encoding='--encoding {value} (of compare)',
    column='name it with --{part}-column {name}, or {part}_column in the plan',
)


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table.

    Attributes:
        text: of the text column, which is required.
        label: of the label column, which is required; None for LABEL, which is optional.
        encoding: of the file; None for UTF-8.
    """

    text: str = TEXT
    label: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class ModelLabels:
    """How a model's training data spelled its classes.

    Attributes:
        classes: the class for the `label_key` of each label.
    """

    classes: dict[str, str]

    def read(self, label: str | None, where: str) -> str | None:
        """Returns the class of a label.

        Args:
            label: of a row; None or empty if the row has none.
            where: names the row, for messages.

        Returns:
            The class; None for an unlabelled row.

        Raises:
            ServingError: the label is not one of the model's.
        """
        if is_missing(label):
            return None
        name = self.classes.get(label_key(label or ''))
        if name is None:
            raise ServingError(
                f'{where}: {(label or "")[:40]!r} is not one of the labels of the model ({self._list()})'
            )
        return None if name == UNLABELLED else name

    def are_default(self, name: str) -> bool:
        """Whether the labels of class `name` are the defaults, so that nobody has chosen their meaning."""
        return {key for key, value in self.classes.items() if value == name} == _DEFAULTS[name]

    def _list(self) -> str:
        names = {
            name: [key for key, value in self.classes.items() if value == name and key] for name in CLASSES
        }
        return '; '.join(f'{name}: {", ".join(keys)}' for name, keys in names.items())


def model_labels(base_path: Path | None, versions: list[int]) -> ModelLabels | None:
    """Returns the labels in the configuration that was pushed with a model.

    Args:
        base_path: folder with the versions; None if it is unknown.
        versions: the first of these with a configuration is used.

    Returns:
        The labels; None if no version has a configuration.
    """
    for version in versions if base_path is not None else ():
        try:
            data = json.loads((Path(str(base_path)) / str(version) / _CONFIG).read_text(encoding='utf-8'))[
                'data'
            ]
            classes = {
                label_key(label): name for name in (UNLABELLED, *CLASSES) for label in data[f'{name}_labels']
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # the model has no labels, or was not made by this package
        return ModelLabels(classes)
    return None


def labelled_rows(
    path: Path, columns: Columns, labels: ModelLabels | None, remarks: list[str]
) -> Iterator[tuple[str, str | None]]:
    """Yields each text with its label, as a class of the model; None for an unlabelled row.

    Args:
        path: a table, or a `.txt` file with one text per line.
        columns: of the table.
        labels: of the model, if known; otherwise the usual spellings are read as classes, and others as themselves.
        remarks: gets a line for each irregularity that is not an error.

    Raises:
        ServingError: the file cannot be read, its label column has no label, or labels that are one class by default
            may have different meanings.
    """
    suffix = split_name(path.name)[0]
    if suffix != LINES and suffix not in TABLES:
        raise ServingError(
            f'requests must be a {", ".join(TABLES)}, {LINES} or .tfrecord file. Received: {path.name}'
        )
    if suffix == LINES and columns.label is not None:
        raise ServingError(f'{path} has no column {columns.label!r}: a {LINES} file has one text per line')
    options = Options(
        {TEXT: columns.text, LABEL: columns.label or LABEL},
        optional=frozenset() if columns.label else frozenset((LABEL,)),
        encoding=columns.encoding,
        remedies=_REMEDIES,
    )
    seen: Counter[str] = Counter()  # label fields as they are in the file, shortened
    spellings: dict[str, dict[str, str]] = {name: {} for name in CLASSES}
    usable = rows = 0
    notes = Notes()
    with Blocks(open_path(str(path)), str(path), path.name) as blocks:
        if suffix == LINES:
            for line in Lines(blocks, options):
                if line and line.startswith(PREFIX):
                    raise ServingError(
                        f'{path} has lines of fastText ({PREFIX}…), which are a table: rename it to NAME.ft.txt'
                    )
                if line:
                    yield line.removesuffix('\r'), None
            return
        for record in table_rows(blocks, suffix, options, notes):
            if record is None:
                continue
            rows += 1
            label_class = None
            if LABEL in record.fields:
                label = record.fields[LABEL]
                label_class = labels.read(label, record.where) if labels else _usual(label)
                seen[(label or '')[:40]] += 1
                usable += label_class is not None
                if label_class in spellings and len(spellings[label_class]) <= len(_DEFAULTS[label_class]):
                    spellings[label_class].setdefault(label_key(label or ''), (label or '').strip())
            yield record.fields[TEXT] or '', label_class
    if rows and not usable and (seen or columns.label):
        shown = ', '.join(repr(label) for label, _ in seen.most_common(_MAX_SHOWN)) or 'none'
        raise ServingError(
            f'{path}: column {columns.label or LABEL!r} has no label in any of {rows:,} rows. Received: {shown}; '
            'name another column with --label-column, or label_column in the plan, or rename it if it has no labels'
        )
    for name in CLASSES:
        if (labels is None or labels.are_default(name)) and different_meanings(spellings[name]):
            shown = ' and '.join(map(repr, spellings[name].values()))
            raise ServingError(
                f'{path}: {shown} in column {columns.label or LABEL!r} would all be {name} by default, but may have '
                'different meanings; remove the labels of rows that are neither negative nor positive, and use one '
                'label per class'
            )
    if seen and (absent := rows - seen.total()):
        key = columns.label or LABEL
        remarks.append(f'{path}: {absent:,} of {rows:,} rows have no key {key!r} and are unlabelled')
    remarks.extend(f'{path}: {line}' for line in notes.lines())
    if rows and not seen:
        remarks.append(
            f'{path}: no column is named {LABEL!r}, so accuracy is not measured; if another column has labels, '
            'name it with --label-column, or label_column in the plan'
        )


def _usual(label: str | None) -> str | None:
    if is_missing(label):
        return None
    usual = usual_class(label or '')
    return None if usual == UNLABELLED else usual or (label or '').strip()
