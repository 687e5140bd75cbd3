"""The labelled rows of a table, for `vaiven evaluate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.label_spec import LabelSpec
from vaiven.serving.commands.keep_columns import KeptText, text_with_columns
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.labels import different_meanings, label_key
from vaiven.serving.common.model_labels import Label, ModelLabels
from vaiven.serving.common.tables.blocks import Blocks, open_path
from vaiven.serving.common.tables.names import TABLES, split_name
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import Options, Remedies
from vaiven.serving.common.tables.reading import table_rows

_REMEDIES = Remedies(column='name it with --{part}-column {name}', encoding='--encoding {value}')
_MAX_SHOWN = 5
_MAX_SHOWN_CHARACTERS = 40


class LabelledText(KeptText):
    """A text with the columns of its row.

    Attributes:
        label: what its label means to the model; None for an unlabelled row.
        where: file and line.
    """

    __slots__ = ('label', 'where')
    label: Label | None
    where: str


@dataclass
class LabelledRows:
    """The rows of a table, in their order. It is iterated once.

    Attributes:
        path: the file.
        text_column: name of the column with the texts.
        label_column: name of the column with the labels.
        labels: of the model.
        encoding: of the file; None for UTF-8.
        columns: names of further columns that each row keeps; `EVERY` for all columns of the table.
        keep_unlabelled: whether to yield the rows without a label as well.
        ignore_unknown: whether a row whose label is not one of the model's counts as unlabelled.
        rows: number of rows read.
        unlabelled: number of rows without a label.
        unknown: rows by label that is not one of the model's.
    """

    path: str
    text_column: str
    label_column: str
    labels: ModelLabels
    encoding: str | None = None
    columns: tuple[str, ...] = ()
    keep_unlabelled: bool = False
    ignore_unknown: bool = False
    rows: int = 0
    unlabelled: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    notes: Notes = field(default_factory=Notes)
    _blocks: Blocks | None = None

    def share(self) -> float | None:
        """The part of the file that has been read, 0 to 1; None if unknown."""
        return None if self._blocks is None else self._blocks.share()

    def open(self, stack: ExitStack) -> None:
        """Opens the file; `stack` closes it.

        Raises:
            ServingError: it is not a table, or cannot be read.
        """
        suffix = split_name(self.path)[0]
        if suffix not in TABLES:
            raise ServingError(f'--data must be a {", ".join(TABLES)} file. Received: {self.path}')
        self._blocks = stack.enter_context(Blocks(open_path(self.path), self.path, self.path))

    def __iter__(self) -> Iterator[LabelledText | None]:
        """Yields the rows, and None where the input pauses.

        Raises:
            ServingError: a row cannot be read, a label is not one of the model's, or labels of one class may have
                different meanings.
        """
        assert self._blocks is not None
        options = Options(
            {'text': self.text_column, 'label': self.label_column},
            keep=self.columns,
            encoding=self.encoding,
            remedies=_REMEDIES,
        )
        spellings: dict[str, dict[str, str]] = {name: {} for name in self.labels.spec.classes}
        for record in table_rows(self._blocks, split_name(self.path)[0], options, self.notes):
            if record is None:
                yield None
                continue
            self.rows += 1
            given = record.fields.get('label')
            label = self._read(given, record.where)
            if isinstance(label, str) and given and len(spellings[label]) < _MAX_SHOWN:
                spellings[label].setdefault(label_key(given), given.strip())
            if label is not None or self.keep_unlabelled:
                yield _labelled_text(record.fields['text'] or '', record.kept, label, record.where)
        self._require_one_meaning(spellings)

    def _read(self, given: str | None, where: str) -> Label | None:
        try:
            label = self.labels.read(given, where)
        except ServingError as error:
            if not self.ignore_unknown:
                raise ServingError(f'{error}; correct it, or add --ignore-unknown-labels') from None
            self.unknown[(given or '').strip()[:_MAX_SHOWN_CHARACTERS]] += 1
            return None
        self.unlabelled += label is None
        return label

    def _require_one_meaning(self, spellings: dict[str, dict[str, str]]) -> None:
        for name, labels in spellings.items():
            if self.labels.are_usual(name) and different_meanings(labels):
                shown = ' and '.join(map(repr, labels.values()))
                raise ServingError(
                    f'{self.path}: {shown} in column {self.label_column!r} would all be {name}, but may have '
                    'different meanings; remove the labels of rows that are neither negative nor positive, and use '
                    'one label per class'
                )

    def skipped(self) -> list[str]:
        """Lines about the rows that are not measured, and about what is strange in the file."""
        lines = []
        if self.unlabelled:
            lines.append(f'{self.unlabelled:,} of {self.rows:,} rows have no label and are not measured')
        if self.unknown:
            shown = ', '.join(f'{name!r} ({count:,})' for name, count in self.unknown.most_common(_MAX_SHOWN))
            more = len(self.unknown) - _MAX_SHOWN
            shown += f' and {more:,} more' if more > 0 else ''
            lines.append(
                f'{self.unknown.total():,} of {self.rows:,} rows have a label that the model does not have and are '
                f'not measured: {shown}'
            )
        return [*lines, *self.notes.lines()]


def _labelled_text(text: str, kept: Any, label: Label | None, where: str) -> LabelledText:
    labelled = LabelledText(text)
    labelled.kept = text_with_columns('', kept, where).kept
    labelled.label, labelled.where = label, where
    return labelled


def label_array(labels: list[Label], spec: LabelSpec) -> NDArray[Any]:
    """Labels as `score_rows` takes them: int (n), or bool (n, k) for multilabel."""
    places = {name: place for place, name in enumerate(spec.classes)}
    if spec.kind != 'multilabel':
        return np.array([places[str(label)] for label in labels], np.int64)
    array = np.zeros((len(labels), spec.size), bool)
    for row, names in enumerate(labels):
        array[row, [places[name] for name in names]] = True
    return array
