"""Reads all files once, without TensorFlow or TFX, and says what a run would make of them.

The command line calls this before anything heavy is imported, so that a wrong file costs a second.
"""

import os

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data, read_source
from vaiven.components.text_example_gen.rows import CLASSES, UNLABELLED_SPLIT, identity, split_of
from vaiven.components.text_example_gen.summary import Summary, conflicts, require_learnable


def check_data(files: DataFiles, config: DataConfig) -> Summary:
    """Counts the rows of `--data`; those of `--unlabelled` are read and forgotten, as there may be very many.

    Raises:
        DataError: where a file, or what is in it, cannot be learnt from.
    """
    summary = summarise(files, config)
    require_learnable(summary, config, files)
    for source in files.sources():
        if source.more and not sum(bool(row.text.strip()) for row in read_source(source, config)):
            raise DataError(f'{os.path.basename(source.path)}: there is no text in it; name another file')
    return summary


def summarise(files: DataFiles, config: DataConfig) -> Summary:
    summary = Summary()
    # identity → (label, split) of the row that is kept, and how many of its duplicates had which label.
    kept: dict[bytes, tuple[int | None, str]] = {}
    labels: dict[bytes, dict[int | None, int]] = {}
    for row in read_data(files, config):
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
        if split == UNLABELLED_SPLIT:
            summary.unlabelled += 1
        elif label is None:
            summary.texts[split] += 1
        else:
            summary.splits[split][CLASSES[label]] += 1
    return summary
