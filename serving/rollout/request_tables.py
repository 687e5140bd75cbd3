"""Requests from the rows of a table, and what the versions should say to them."""

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
    """Names of the columns of a table: of the text, and of what it should be taken for.

    Attributes:
        text: must be there.
        label: must be there; None for LABEL where that is there.
        encoding: of the file; None for UTF-8.
    """

    text: str = TEXT
    label: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class ModelLabels:
    """How the data that a model learned from spelled its classes: `label_key` of a label → the class."""

    classes: dict[str, str]

    def read(self, label: str | None, where: str) -> str | None:
        """The class, or None where there is no label. Raises ServingError for a label that is neither."""
        if is_missing(label):
            return None
        found = self.classes.get(label_key(label or ''))
        if found is None:
            raise ServingError(
                f'{where}: {(label or "")[:40]!r} is not one of the labels of the model ({self._list()})'
            )
        return None if found == UNLABELLED else found

    def are_default(self, name: str) -> bool:
        """Whether the labels of a class are those by default, so that nobody said what they mean."""
        return {key for key, of in self.classes.items() if of == name} == _DEFAULTS[name]

    def _list(self) -> str:
        names = {name: [key for key, of in self.classes.items() if of == name and key] for name in CLASSES}
        return '; '.join(f'{name}: {", ".join(keys)}' for name, keys in names.items())


def model_labels(base_path: Path | None, versions: list[int]) -> ModelLabels | None:
    """The labels in the configuration that a pushed version carries, of the first of `versions` that has one."""
    for version in versions if base_path is not None else ():
        try:
            data = json.loads((Path(str(base_path)) / str(version) / _CONFIG).read_text(encoding='utf-8'))[
                'data'
            ]
            classes = {
                label_key(label): name for name in (UNLABELLED, *CLASSES) for label in data[f'{name}_labels']
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # a model of another kind
        return ModelLabels(classes)
    return None


def labelled_rows(
    path: Path, columns: Columns, labels: ModelLabels | None, remarks: list[str]
) -> Iterator[tuple[str, str | None]]:
    """Each text with what it should be taken for; None where that is not known.

    Args:
        path: a table, or a `.txt` file with a text a line.
        columns: of the table.
        labels: of the model, where they are known; else the usual spellings count, and others stand for themselves.
        remarks: gets a line for each thing that is strange and not refused.

    Raises:
        ServingError: the file cannot be read, or it has a column of labels and no label in it, or labels of one class
            by default that may not mean the same.
    """
    suffix = split_name(path.name)[0]
    if suffix != LINES and suffix not in TABLES:
        raise ServingError(
            f'requests come as {", ".join(TABLES)}, {LINES} or .tfrecord. Received: {path.name}'
        )
    if suffix == LINES and columns.label is not None:
        raise ServingError(f'{path} has no column {columns.label!r}: a {LINES} file holds a text a line')
    options = Options(
        {TEXT: columns.text, LABEL: columns.label or LABEL},
        optional=frozenset() if columns.label else frozenset((LABEL,)),
        encoding=columns.encoding,
        remedies=_REMEDIES,
    )
    there: Counter[str] = Counter()
    spellings: dict[str, dict[str, str]] = {name: {} for name in CLASSES}
    usable = rows = 0
    notes = Notes()
    with Blocks(open_path(str(path)), str(path), path.name) as blocks:
        if suffix == LINES:
            for line in Lines(blocks, options):
                if line and line.startswith(PREFIX):
                    raise ServingError(
                        f'{path} holds lines of fastText ({PREFIX}…), which are a table: rename it to NAME.ft.txt'
                    )
                if line:
                    yield line.removesuffix('\r'), None
            return
        for record in table_rows(blocks, suffix, options, notes):
            if record is None:
                continue
            rows += 1
            truth = None
            if LABEL in record.fields:
                label = record.fields[LABEL]
                truth = labels.read(label, record.where) if labels else _usual(label)
                there[(label or '')[:40]] += 1
                usable += truth is not None
                if truth in spellings and len(spellings[truth]) <= len(_DEFAULTS[truth]):
                    spellings[truth].setdefault(label_key(label or ''), (label or '').strip())
            yield record.fields[TEXT] or '', truth
    if rows and not usable and (there or columns.label):
        shown = ', '.join(repr(label) for label, _ in there.most_common(_MAX_SHOWN)) or 'none'
        raise ServingError(
            f'{path}: column {columns.label or LABEL!r} has no label in any of {rows:,} rows. Received: {shown}; '
            'name another with --label-column, or label_column in the plan, or rename it where it holds no labels'
        )
    for name in CLASSES:
        if (labels is None or labels.are_default(name)) and different_meanings(spellings[name]):
            shown = ' and '.join(map(repr, spellings[name].values()))
            raise ServingError(
                f'{path}: {shown} in column {columns.label or LABEL!r} would all be {name} by default, but may not '
                'mean the same; empty the label of rows that are neither negative nor positive, and write one label '
                'a class'
            )
    if there and (absent := rows - there.total()):
        key = columns.label or LABEL
        remarks.append(f'{path}: {absent:,} of {rows:,} rows have no key {key!r} and count as unlabelled')
    remarks.extend(f'{path}: {line}' for line in notes.lines())
    if rows and not there:
        remarks.append(
            f'{path}: no column is named {LABEL!r}, so no accuracy is measured; where another one holds labels, '
            'name it with --label-column, or label_column in the plan'
        )


def _usual(label: str | None) -> str | None:
    if is_missing(label):
        return None
    usual = usual_class(label or '')
    return None if usual == UNLABELLED else usual or (label or '').strip()
