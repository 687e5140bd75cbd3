"""Reads all files once, without TensorFlow or TFX, and reports what a run would train on.

The command line calls this before it imports TensorFlow, so that an error in a file is reported within a second.
"""

import os

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data, read_source
from vaiven.components.text_example_gen.rows import (
    CLASSES,
    UNLABELLED_SPLIT,
    assign_split,
    majority_label,
    text_fingerprint,
)
from vaiven.components.text_example_gen.summary import Summary, conflicting_rows, require_learnable


def check_data(files: DataFiles, config: DataConfig) -> Summary:
    """Counts the rows of `--data`. Rows of `--unlabelled` are read but not kept: there may be very many.

    Args:
        files: the files of the run.
        config: columns, labels and splits.

    Raises:
        DataError: if a file cannot be read, or a model cannot be trained on its content.
    """
    summary = summarize_rows(files, config)
    require_learnable(summary, config, files)
    for source in files.sources():
        if source.is_unlabelled and not sum(
            bool(row.text.strip()) for row in read_source(source, config, counts=summary.columns)
        ):
            raise DataError(f'{os.path.basename(source.path)}: there is no text in it; name another file')
    return summary


def summarize_rows(files: DataFiles, config: DataConfig) -> Summary:
    """Counts the rows of `--data` by split and class, as the Beam pipeline does.

    Args:
        files: the files of the run.
        config: columns, labels and splits.

    Raises:
        DataError: if a file cannot be read.
    """
    summary = Summary()
    # Fingerprint of a text → label and split of its first row; at the end, those of the row that is kept.
    kept: dict[bytes, tuple[int | None, str]] = {}
    # For texts with two or more rows: fingerprint → label → split of the first row with this label, number of rows.
    splits: dict[bytes, dict[int | None, str]] = {}
    label_counts: dict[bytes, dict[int | None, int]] = {}
    for row in read_data(files, config, summary.columns):
        summary.rows += 1
        if not row.text.strip():
            summary.empty += 1
            continue
        fingerprint = text_fingerprint(row.text)
        split = assign_split(row, fingerprint, config)
        if fingerprint not in kept:
            kept[fingerprint] = (row.label, split)
            continue
        summary.duplicates += 1
        if fingerprint not in label_counts:
            first_label, first_split = kept[fingerprint]
            splits[fingerprint], label_counts[fingerprint] = {first_label: first_split}, {first_label: 1}
        counts = label_counts[fingerprint]
        splits[fingerprint].setdefault(row.label, split)
        counts[row.label] = counts.get(row.label, 0) + 1
    for fingerprint, counts in label_counts.items():
        label = majority_label(counts)
        kept[fingerprint] = (label, splits[fingerprint][label])
        for name, rows in conflicting_rows(counts, label).items():
            summary.conflicting_by_class[name] += rows
    for label, split in kept.values():
        if split == UNLABELLED_SPLIT:
            summary.unlabelled += 1
        elif label is None:
            summary.texts[split] += 1
        else:
            summary.splits[split][CLASSES[label]] += 1
    return summary
