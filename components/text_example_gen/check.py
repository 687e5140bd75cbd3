"""Reads all files once, without TensorFlow or TFX, and reports what a run would train on.

The command line calls this before it imports TensorFlow, so that an error in a file is reported within a second. The
kind of the labels and their classes are known when all rows have been read; until then labels are ids.
"""

import dataclasses
import os
import shlex

from vaiven.components.text_example_gen.collected_rows import CollectedRows
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.label_proposal import setting_value
from vaiven.components.text_example_gen.learnable import require_learnable
from vaiven.components.text_example_gen.ordered_labels import label_values
from vaiven.components.text_example_gen.reading import read_source
from vaiven.components.text_example_gen.row_parser import RowParser
from vaiven.components.text_example_gen.rows import text_fingerprint
from vaiven.components.text_example_gen.summary import Summary
from vaiven.components.text_example_gen.teacher_rows import TeacherCounts, teacher_line
from vaiven.serving.common.labels import label_key


@dataclasses.dataclass(frozen=True)
class CheckedData:
    """What was found in the data.

    Attributes:
        config: the configuration, with what was found: kind and classes of the labels, and the times of a split by
            time.
        summary: counts of the rows.
        remark: how to change what was found, for the user; '' if there is nothing to change.
        split_groups: number of groups with rows in several splits, by a split column or by time.
    """

    config: DataConfig
    summary: Summary
    remark: str = ''
    split_groups: int = 0


def check_data(files: DataFiles, config: DataConfig) -> CheckedData:
    """Counts the rows of `--data`. Rows of `--unlabelled` are read but not kept: there may be very many.

    Args:
        files: the files of the run.
        config: columns, labels and splits.

    Raises:
        DataError: if a file cannot be read, or a model cannot be trained on its content.
    """
    checked = resolve_data(files, config)
    summary = checked.summary
    require_learnable(summary, checked.config, files)
    notes = RowParser(checked.config, summary.columns)
    for source in files.sources():
        if source.kind == 'unlabelled' and not sum(
            bool(row.text.strip()) for row in read_source(source, checked.config, parse=notes)
        ):
            raise DataError(f'{os.path.basename(source.path)}: there is no text in it; name another file')
    return checked


def resolve_data(files: DataFiles, config: DataConfig) -> CheckedData:
    """Finds kind and classes of the labels, and counts the rows by split and class, as the Beam pipeline does.

    Args:
        files: the files of the run.
        config: columns, labels and splits.

    Raises:
        DataError: if a file cannot be read, or its labels are no classes.
    """
    rows = CollectedRows(files, config)
    resolved = rows.resolve()
    remark = label_remark(config, resolved, rows.several)
    summary = rows.summarize(resolved)
    if files.teacher:
        summary.teacher = _count_teacher(files, resolved, rows)
    return CheckedData(resolved, summary, remark, rows.split_groups(resolved))


def _count_teacher(files: DataFiles, config: DataConfig, rows: CollectedRows) -> dict[str, int]:
    """Counts the rows of `--teacher`, by the names of `Summary.teacher`.

    Raises:
        DataError: if a file cannot be read, its probabilities do not fit the classes, or none of its rows is left.
    """
    counter = TeacherCounts(*rows.splits(config))
    for source in files.sources():
        if source.kind == 'teacher':
            for row in read_source(source, config):
                counter.add(text_fingerprint(row.text) if row.text.strip() else None)
    if not counter.counts['kept']:
        raise DataError(
            f'--teacher: no row has a text that is not in --data. Received: {teacher_line(counter.counts)}; '
            'let the teacher predict other texts'
        )
    return dict(counter.counts)


def label_remark(config: DataConfig, resolved: DataConfig, several: int) -> str:
    """How to change the kind of the labels, if it was found in the data.

    Args:
        config: before the data was read.
        resolved: with the kind and the classes.
        several: rows with several labels, or an empty list.
    """
    if config.label_kind != 'auto' or not config.finds_classes():
        return ''
    if resolved.label_kind == 'binary' and not resolved.is_sentiment():
        exchanged = shlex.quote(f'data.classes={setting_value(resolved.classes[::-1])}')
        return f'the positive class is {resolved.classes[1]}; for the other one: --set {exchanged}'
    numbers = (
        resolved.label_kind == 'multiclass' and label_values(map(label_key, resolved.classes)) is not None
    )
    return {
        'ordinal': 'if they have no order: --set data.label_kind=multiclass',
        'multilabel': f'{several:,} rows do not have one label; if all should: --set data.label_kind=multiclass',
        'multiclass': 'if they have an order, as stars do: --set data.label_kind=ordinal' if numbers else '',
    }.get(resolved.label_kind, '')
