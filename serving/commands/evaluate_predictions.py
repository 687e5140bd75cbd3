"""The file of `vaiven evaluate --out`: every column of the data, and the predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import click
import numpy as np

from vaiven.serving.commands.evaluate_data import LabelledText
from vaiven.serving.commands.keep_columns import KeptColumns
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.model_labels import ModelLabels, joined
from vaiven.serving.common.tables.options import ALL
from vaiven.serving.evaluation.evaluation import Predictions

FORMATS = ('.csv', '.jsonl')
# With more classes, a column for each is written on request only.
MAX_PROBABILITY_COLUMNS = 20


def require_writable(out: Path, data: Path) -> str:
    """Returns the format of an output file, one of `FORMATS`.

    Args:
        out: the file.
        data: the file with the data.

    Raises:
        click.UsageError: its name has another ending, or it is the file with the data.
        ServingError: it exists already.
    """
    ending = out.suffix.lower()
    if ending not in FORMATS:
        raise click.UsageError(f'--out must end in {", ".join(FORMATS)}. Received: {out.name}')
    if out.exists() and data.exists() and out.samefile(data):
        raise click.UsageError(f'--out must be another file than --data. Received: {out}')
    if out.is_file() and out.stat().st_size:
        raise ServingError(f'{out} exists already: name another file, or remove it')
    return ending


class PredictionsFile:
    """Writes the rows of a table with the predictions of a model, in the order of the table."""

    def __init__(
        self, stream: TextIO, ending: str, labels: ModelLabels, prefix: str, probabilities: bool
    ) -> None:
        """
        Args:
            stream: where to write.
            ending: one of `FORMATS`.
            labels: of the model.
            prefix: of the names of the new columns.
            probabilities: whether to write the probability of each class, however many there are.
        """
        self._stream, self._ending, self._labels = stream, ending, labels
        self._has_probabilities = probabilities or labels.spec.size <= MAX_PROBABILITY_COLUMNS
        shown = labels.spec.classes if self._has_probabilities else ()
        self._columns = [
            f'{prefix}label',
            f'{prefix}score',
            *(f'{prefix}probability_{name}' for name in shown),
        ]
        self._kept = KeptColumns(ALL, ())
        self._csv = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator='\n')
        self._has_header = False

    def write(self, texts: Sequence[LabelledText], predictions: Predictions) -> None:
        """Writes rows.

        Raises:
            ServingError: a row already has one of the new columns, or other columns than the first row.
        """
        for text, values in zip(texts, self._values(predictions), strict=True):
            if duplicates := [name for name in self._columns if name in text.kept]:
                raise ServingError(
                    f'--out would overwrite the column {duplicates[0]!r} of the data: '
                    'choose other names with --out-prefix'
                )
            if self._ending == '.jsonl':
                columns = self._kept.values(text) | dict(zip(self._columns, values, strict=True))
                self._stream.write(json.dumps(columns, ensure_ascii=False) + '\n')
                continue
            if not self._has_header:
                self._kept.read_names(text)
                self._csv.writerow([*self._kept.names, *self._columns])
                self._has_header = True
            self._csv.writerow([*self._kept.cells(text), *map(_cell, values)])

    def _values(self, predictions: Predictions) -> list[list[Any]]:
        classes = self._labels.spec.classes
        if self._labels.spec.kind == 'multilabel':
            names = [
                joined([classes[place] for place in np.flatnonzero(row)], self._labels.separator)
                for row in predictions.predicted
            ]
        else:
            names = [classes[place] for place in predictions.predicted]
        numbers = predictions.scores[:, None]
        if self._has_probabilities:
            numbers = np.concatenate([numbers, predictions.probabilities], axis=1)
        # Six decimals: more than a float32 of a probability near 1 has.
        rounded = np.round(numbers.astype(np.float64), 6).tolist()
        return [[name, *row] for name, row in zip(names, rounded, strict=True)]


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f'{value:.6f}'
