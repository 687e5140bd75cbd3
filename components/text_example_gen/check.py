"""Reads all files once, without TensorFlow or TFX, and says what a run would make of them.

The command line calls this before anything heavy is imported, so that a wrong file costs a second.
"""

import os

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data, read_source
from vaiven.components.text_example_gen.rows import CLASSES, UNLABELLED_SPLIT, elected, identity, split_of
from vaiven.components.text_example_gen.summary import Summary, outvoted, require_learnable


def check_data(files: DataFiles, config: DataConfig) -> Summary:
    """Counts the rows of `--data`; those of `--unlabelled` are read and forgotten, as there may be very many.

    Raises:
        DataError: where a file, or what is in it, cannot be learnt from.
    """
    summary = summarise(files, config)
    require_learnable(summary, config, files)
    for source in files.sources():
        if source.more and not sum(
            bool(row.text.strip()) for row in read_source(source, config, counts=summary.columns)
        ):
            raise DataError(f'{os.path.basename(source.path)}: there is no text in it; name another file')
    return summary


def summarise(files: DataFiles, config: DataConfig) -> Summary:
    summary = Summary()
    # identity of a text → label and split of its first row, in the end of the row that is kept.
    kept: dict[bytes, tuple[int | None, str]] = {}
    # identity of a text that occurs twice or more → label → split of the first row with it, and rows with it.
    candidates: dict[bytes, dict[int | None, str]] = {}
    labels: dict[bytes, dict[int | None, int]] = {}
    for row in read_data(files, config, summary.columns):
        summary.rows += 1
        if not row.text.strip():
            summary.empty += 1
            continue
        key = identity(row.text)
        split = split_of(row, key, config)
        if key not in kept:
            kept[key] = (row.label, split)
            continue
        summary.duplicates += 1
        if key not in labels:
            label, of_first = kept[key]
            candidates[key], labels[key] = {label: of_first}, {label: 1}
        candidates[key].setdefault(row.label, split)
        labels[key][row.label] = labels[key].get(row.label, 0) + 1
    for key, counts in labels.items():
        label = elected(counts)
        kept[key] = (label, candidates[key][label])
        for name, rows in outvoted(counts, label).items():
            summary.outvoted[name] += rows
    for label, split in kept.values():
        if split == UNLABELLED_SPLIT:
            summary.unlabelled += 1
        elif label is None:
            summary.texts[split] += 1
        else:
            summary.splits[split][CLASSES[label]] += 1
    return summary
