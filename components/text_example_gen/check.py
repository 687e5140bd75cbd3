"""Reads a whole file once, without TensorFlow or TFX, and says what a run would make of it.

The command line calls this before anything heavy is imported, so that a wrong file costs a second.
"""

import os

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.reading import read_rows
from vaiven.components.text_example_gen.rows import CLASSES, Row, identity, split_of
from vaiven.components.text_example_gen.summary import Summary, require_learnable


def check_file(path: str, config: DataConfig) -> Summary:
    """Counts the rows of a file.

    Raises:
        DataError: where the file, or what is in it, cannot be learnt from.
    """
    summary = summarise(path, config)
    require_learnable(summary, config, os.path.basename(path))
    return summary


def summarise(path: str, config: DataConfig) -> Summary:
    summary = Summary()
    # identity → (label, split) of the row that is kept, and how many of its duplicates had which label.
    kept: dict[bytes, tuple[int | None, str]] = {}
    labels: dict[bytes, dict[int | None, int]] = {}
    for row in read_rows(path, config):
        summary.rows += 1
        if not row.text.strip():
            summary.empty += 1
            continue
        key = identity(row.text)
        if key not in kept:
            kept[key] = (row.label, split_of(row, key, config))
            continue
        summary.duplicates += 1
        if key not in labels:
            labels[key] = {kept[key][0]: 1}
        labels[key][row.label] = labels[key].get(row.label, 0) + 1
        if kept[key][0] is None and row.label is not None:
            kept[key] = (row.label, split_of(row, key, config))
    for key, counts in labels.items():
        summary.conflicting += conflicts(counts, kept[key][0])
    for label, split in kept.values():
        if label is None:
            summary.unlabelled += 1
        else:
            summary.splits[split][CLASSES[label]] += 1
    return summary


def conflicts(counts: dict[int | None, int], label: int | None) -> int:
    """How many rows of one text carry the other label than the row that was kept; no label is no conflict."""
    return sum(count for other, count in counts.items() if other is not None and other != label)


def preferred(first: Row, second: Row) -> Row:
    """Of two rows with the same text: the labelled one, else the one that comes first in the file."""
    return min(first, second, key=lambda row: (row.label is None, row.number))
