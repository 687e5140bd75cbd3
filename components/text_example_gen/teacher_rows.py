"""Reads the files of `--teacher`: texts with the probabilities that another model gave the classes."""

import json
import os
from collections import Counter
from collections.abc import Mapping

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.probabilities import ProbabilityParser
from vaiven.components.text_example_gen.rows import TEACHER, Row
from vaiven.label_spec import LabelSpec
from vaiven.serving.common.labels import class_indices, is_missing, label_key, nfc
from vaiven.serving.common.tables.options import ALL, Options, Remedies
from vaiven.serving.common.tables.values import Record

# `probabilities` names the classes, so it wins.
_FORMS = 'probabilities', 'probability'
_REMEDIES = Remedies(
    column='rename it to {part}',
    text='rename the column with the text to text',
    row_bytes='raise the limit with --set data.max_row_bytes=N',
)


def teacher_options(config: DataConfig) -> Options:
    """How a file of a teacher is read: as `vaiven predict` writes it, whatever the columns of `--data` are.

    Args:
        config: maximum length of a row.
    """
    return Options(
        {'text': 'text', **{name: name for name in _FORMS}},
        optional=frozenset(_FORMS),
        # A class may have a column of its own.
        keep=ALL,
        max_row_bytes=config.max_row_bytes,
        remedies=_REMEDIES,
    )


class TeacherParser:
    """Parses the records of a teacher's file: `probabilities`, `probability`, or a column for each class.

    Args:
        spec: kind and classes of the labels.
    """

    def __init__(self, spec: LabelSpec) -> None:
        self._spec, self._indices = spec, class_indices(spec.classes)
        self._parsers = {name: ProbabilityParser(name, spec) for name in _FORMS}
        self._class_parser = ProbabilityParser(', '.join(spec.classes[:12]), spec)
        # Whether the label of a row is the class that its `probability` says → number of rows.
        self._agreements: Counter[bool] = Counter()

    def __call__(self, number: int, record: Record) -> Row:
        """Parses a record. Without text, its probabilities are not read.

        Args:
            number: of the row.
            record: values of the row.

        Raises:
            DataError: if the record has no probabilities, or they do not fit the classes.
        """
        text = nfc(record.fields['text'] or '')
        probabilities = self._probabilities(record) if text.strip() else None
        return Row(number, text, None, origin=TEACHER, probabilities=probabilities)

    def require_same_classes(self, path: str) -> None:
        """Checks that `probability` is of the positive class, by the labels that the file has beside it.

        Args:
            path: of the file.

        Raises:
            DataError: if more labels contradict their `probability` than agree with it.
        """
        if self._agreements[False] > self._agreements[True]:
            raise DataError(
                f'{os.path.basename(path)}: `probability` must be that of {self._spec.classes[1]!r}, the positive '
                'class, and the labels beside it say the opposite; write the file with `vaiven predict '
                '--probabilities --to jsonl`, or exchange data.classes'
            )

    def _probabilities(self, record: Record) -> tuple[float, ...]:
        for name in _FORMS:
            field = record.fields.get(name)
            if field is None or is_missing(field):
                continue
            probabilities = self._parsers[name](field, record.where)
            assert probabilities is not None
            if name == 'probability' and self._spec.kind == 'binary':
                self._count_agreement(record.kept.get('label'), probabilities)
            return probabilities
        return self._of_columns(record)

    def _of_columns(self, record: Record) -> tuple[float, ...]:
        """The probabilities of a record that has a column for each class."""
        columns = {name: value for name, value in record.kept.items() if label_key(name) in self._indices}
        missing = set(range(self._spec.size)) - {self._indices[label_key(name)] for name in columns}
        probabilities = None
        if len(missing) < (self._spec.size if self._spec.kind == 'binary' else 1):
            numbers = {name: _number(value) for name, value in columns.items()}
            probabilities = self._class_parser(json.dumps(numbers), record.where)
        if probabilities is None:
            form = '`probability` of ' + repr(self._spec.classes[1]) if self._spec.kind == 'binary' else ''
            raise DataError(
                f'{record.where}: a row of --teacher needs {form or "`probabilities`"}, or a column for each of the '
                f'classes ({", ".join(self._spec.classes[:12])}); `vaiven predict --probabilities --to jsonl` writes it'
            )
        return probabilities

    def _count_agreement(self, label: object, probabilities: tuple[float, ...]) -> None:
        index = self._indices.get(label_key(label)) if isinstance(label, str) else None
        if index is not None:
            self._agreements[(probabilities[1] > 0.5) == (index == 1)] += 1


def _number(value: object) -> object:
    """The number of a field of a csv file; other values as they are."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class TeacherCounts:
    """Counts the rows of all files of `--teacher` by what becomes of them.

    Args:
        splits: fingerprint of each text of `--data` → its split.
        held_out_lines: fingerprints of the lines of held-out rows.
    """

    def __init__(self, splits: Mapping[bytes, str], held_out_lines: frozenset[bytes]) -> None:
        self._splits, self._held_out_lines = splits, held_out_lines
        self._kept: set[bytes] = set()
        self.counts: Counter[str] = Counter()

    def add(self, fingerprint: bytes | None) -> None:
        """Counts a row.

        Args:
            fingerprint: of its text; None if it has no text.
        """
        self.counts['rows'] += 1
        if fingerprint is None:
            self.counts['empty'] += 1
            return
        split = self._splits.get(fingerprint)
        if split == 'train':
            self.counts['labelled'] += 1
        elif split in ('eval', 'test') or fingerprint in self._held_out_lines:
            self.counts['held_out'] += 1
        elif fingerprint in self._kept:
            self.counts['duplicates'] += 1
        else:
            self._kept.add(fingerprint)
            self.counts['kept'] += 1


def teacher_line(counts: Mapping[str, int]) -> str:
    """A line about the rows of `--teacher`.

    Args:
        counts: `rows`, and the dropped ones: `held_out`, `labelled`, `duplicates` and `empty`.
    """
    reasons = {
        'held_out': 'equal to held-out rows',
        'labelled': 'equal to labelled rows',
        'duplicates': 'duplicates',
        'empty': 'without text',
    }
    dropped = ', '.join(f'{counts[name]:,} {reason}' for name, reason in reasons.items() if counts.get(name))
    return f'teacher: {counts.get("rows", 0):,} rows' + (f'; dropped: {dropped}' if dropped else '')
