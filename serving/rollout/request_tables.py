"""Reads texts and their labels from a table of requests."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vaiven.label_spec import SENTIMENT
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.labels import different_meanings, label_key
from vaiven.serving.common.model_labels import Label, ModelLabels
from vaiven.serving.common.tables.blocks import Blocks, open_path
from vaiven.serving.common.tables.fasttext import PREFIX
from vaiven.serving.common.tables.lines import Lines
from vaiven.serving.common.tables.names import TABLES, split_name
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import Options, Remedies
from vaiven.serving.common.tables.reading import table_rows

TEXT, LABEL = 'text', 'label'
LINES = '.txt'
_MAX_SHOWN = 5
# More than there are usual spellings of a class.
_MAX_SPELLINGS = 20
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


def labelled_rows(
    path: Path, columns: Columns, labels: ModelLabels, remarks: list[str]
) -> Iterator[tuple[str, Label | None]]:
    """Yields each text with its label, as the classes of the model; None for an unlabelled row.

    Args:
        path: a table, or a `.txt` file with one text per line.
        columns: of the table.
        labels: of the model.
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
    spellings: dict[str, dict[str, str]] = {name: {} for name in SENTIMENT}
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
                label_class = labels.read(label, record.where)
                seen[(label or '')[:40]] += 1
                usable += label_class is not None
                if label_class in spellings and len(spellings[label_class]) < _MAX_SPELLINGS:
                    spellings[label_class].setdefault(label_key(label or ''), (label or '').strip())
            yield record.fields[TEXT] or '', label_class
    if rows and not usable and (seen or columns.label):
        shown = ', '.join(repr(label) for label, _ in seen.most_common(_MAX_SHOWN)) or 'none'
        raise ServingError(
            f'{path}: column {columns.label or LABEL!r} has no label in any of {rows:,} rows. Received: {shown}; '
            'name another column with --label-column, or label_column in the plan, or rename it if it has no labels'
        )
    for name in SENTIMENT:
        if labels.are_usual(name) and different_meanings(spellings[name]):
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
