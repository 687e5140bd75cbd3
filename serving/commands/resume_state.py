"""What an interrupted run has written, and how another goes on with it."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from vaiven.serving.commands.text_inputs import field
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tables.quoted import NO_BOUND


class Found:
    """The whole records of a file, and where they end; a record that is torn at the end is none.

    Attributes:
        records: how many there are, a header aside.
        bytes: how long they are together.
    """

    def __init__(self, path: Path, form: str) -> None:
        """Reads the file, of a form of `forms.FORMS`. Raises OSError."""
        self.records = 0
        self.bytes = 0
        self._path = path
        self._form = form
        self._header = self._last = b''
        record, quotes = [], 0
        with path.open('rb') as stream:
            for line in stream:
                record.append(line)
                quotes += line.count(b'"')
                if not line.endswith(b'\n') or (form == 'csv' and quotes % 2):
                    continue
                whole = b''.join(record)
                self.bytes += len(whole)
                if form == 'csv' and not self._header:
                    self._header = whole
                else:
                    self.records += 1
                    self._last = whole
                record, quotes = [], 0

    def check(self, texts: Iterator[str | None]) -> str | None:
        """Takes the texts that have been answered.

        Returns:
            The last of them.

        Raises:
            ServingError: it is not the text of the last record.
        """
        if not self.records:
            return None
        seen, text = 0, ''
        for each in texts:
            if each is not None:
                seen, text = seen + 1, each
            if seen == self.records:
                break
        if seen < self.records or not self._is_of(text):
            raise ServingError(
                f'{self._path} has {self.records} answers, and the last of them is not to text {self.records} of '
                'this input: name another file, or leave out --resume'
            )
        return text

    def check_columns(self, header: str, columns: Sequence[str], kept: Sequence[str]) -> None:
        """Raises ServingError where the records have other columns.

        Args:
            header: the first line of such a file; '' where it has none.
            columns: all columns of csv and text.
            kept: those that the answers keep from the input.
        """
        last = self._last.decode(errors='replace').rstrip('\n')
        if self._form == 'csv':
            fits = self._header.decode(errors='replace') == header
        elif not self.records:
            fits = True
        elif self._form == 'jsonl':
            fits = set(kept) <= set(json.loads(last))
        else:
            fits = len(last.split('\t')) == len(columns)
        if not fits:
            raise ServingError(
                f'{self._path} has answers with other columns: give the same --keep-columns as before, or name '
                'another file'
            )

    def _is_of(self, text: str) -> bool:
        last = self._last.decode(errors='replace')
        if self._form == 'jsonl':
            try:
                return bool(json.loads(last)['text'] == text)
            except (ValueError, KeyError, TypeError):
                return False
        if self._form == 'csv':
            csv.field_size_limit(NO_BOUND)
            try:
                header, row = (
                    next(csv.reader([line])) for line in (self._header.decode(errors='replace'), last)
                )
            except csv.Error:
                return False
            return dict(zip(header, row, strict=False)).get('text') == text
        return field(text) in last.rstrip('\n').split('\t')
