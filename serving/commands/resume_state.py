"""The state of an output file that an interrupted command left, from which `--resume` continues."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from vaiven.serving.commands.text_inputs import field
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tables.quoted import NO_BOUND


class ResumeState:
    """The complete records of an output file. An incomplete record at its end does not count.

    Attributes:
        records: number of complete records, without the header.
        bytes: size of the header and these records.
    """

    def __init__(self, path: Path, form: str) -> None:
        """
        Args:
            path: the file.
            form: one of `output_formats.FORMS`.

        Raises:
            OSError: the file cannot be read.
        """
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

    def skip_answered(self, texts: Iterator[str | None]) -> str | None:
        """Consumes the texts that have a record.

        Args:
            texts: the input; None while it pauses.

        Returns:
            The last text that has a record; None if there are no records.

        Raises:
            ServingError: the last record belongs to another text.
        """
        if not self.records:
            return None
        count, last_text = 0, ''
        for text in texts:
            if text is not None:
                count, last_text = count + 1, text
            if count == self.records:
                break
        if count < self.records or not self._last_record_has(last_text):
            raise ServingError(
                f'{self._path} has {self.records} results, and the last one does not belong to text {self.records} of '
                'this input: name another file, or leave out --resume'
            )
        return last_text

    def check_columns(self, header: str, columns: Sequence[str], kept: Sequence[str]) -> None:
        """Checks that the records have the columns that would be written now.

        Args:
            header: the first line of the file; '' for a format without a header.
            columns: all columns of csv and text.
            kept: the columns that are copied from the input.

        Raises:
            ServingError: the records have other columns.
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
                f'{self._path} has results with other columns: give the same --keep-columns as before and the same '
                'kind of model, or name another file'
            )

    def _last_record_has(self, text: str) -> bool:
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
