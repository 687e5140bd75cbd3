"""The options of `vaiven evaluate` about its table and about the file with the predictions."""

from __future__ import annotations

from dataclasses import dataclass

import click

from vaiven.serving.commands.options import Name, Utf8, encoding_option, option_group


@dataclass(frozen=True)
class Table:
    """The options about a table of labelled rows.

    Attributes:
        file: name of the file.
        text_column: name of the column with the texts.
        label_column: name of the column with the labels.
        encoding: of the file; None for UTF-8.
        ignore_unknown_labels: whether a row whose label is not one of the model's counts as unlabelled.
    """

    file: str
    text_column: str
    label_column: str
    encoding: str | None
    ignore_unknown_labels: bool


@dataclass(frozen=True)
class Data(Table):
    """The options about the table that is evaluated.

    Attributes:
        slice_by: names of the columns to slice by.
    """

    slice_by: tuple[str, ...]


@dataclass(frozen=True)
class PredictionsOutput:
    """The options about the file with the predictions.

    Attributes:
        out: name of the file; None for none.
        out_prefix: of the names of the new columns.
        probabilities: whether to write the probability of each class, however many there are.
    """

    out: str | None
    out_prefix: str
    probabilities: bool


_TABLE_OPTIONS = (
    click.option(
        '--data', 'file', type=Utf8(), required=True, metavar='FILE', help='Table with texts and labels.'
    ),
    click.option(
        '--text-column',
        type=Name(),
        default='text',
        show_default=True,
        metavar='NAME',
        help='Column with the texts.',
    ),
    click.option(
        '--label-column',
        type=Name(),
        default='label',
        show_default=True,
        metavar='NAME',
        help='Column with the labels.',
    ),
    encoding_option,
    click.option(
        '--ignore-unknown-labels',
        is_flag=True,
        help='Leave out rows with a label that the model does not have.  [default: an error]',
    ),
)
table_options = option_group('table', Table, *_TABLE_OPTIONS)
data_options = option_group(
    'data',
    Data,
    *_TABLE_OPTIONS,
    click.option(
        '--slice-by',
        type=Name(),
        multiple=True,
        metavar='COLUMN',
        help='Measure each value of this column on its own; numbers in ranges. Repeatable.',
    ),
)
predictions_options = option_group(
    'predictions',
    PredictionsOutput,
    click.option(
        '--out',
        type=Utf8(),
        metavar='FILE',
        help='Write every column and the predictions to a .csv or .jsonl file.',
    ),
    click.option(
        '--out-prefix',
        type=Utf8(),
        default='predicted_',
        show_default=True,
        metavar='TEXT',
        help='Prefix of the new columns of --out.',
    ),
    click.option(
        '--probabilities',
        is_flag=True,
        help='Write the probability of each class to --out.  [default: up to 20 classes]',
    ),
)
