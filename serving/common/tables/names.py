"""Format and compression of a file, by its name."""

import os

COMPRESSIONS = ('.gz', '.bz2', '.zst', '.zip')
# Lines `__label__positive A moving film`, as fastText learns from them.
FASTTEXT = '.ft'
TABLES = ('.csv', '.tsv', '.jsonl', '.json', '.parquet', FASTTEXT)
_LONG_FASTTEXT = '.ft.txt'


def split_name(path: str) -> tuple[str, str]:
    """Returns the endings for the format and the compression; '' for none. Case is ignored.

    Example:
        split_name('Reviews.CSV.gz')  # ('.csv', '.gz')
        split_name('train.ft.txt.bz2')  # ('.ft', '.bz2')
    """
    lower = path.lower()
    compression = next((each for each in COMPRESSIONS if lower.endswith(each)), '')
    stem = lower.removesuffix(compression)
    suffix = FASTTEXT if stem.endswith(_LONG_FASTTEXT) else os.path.splitext(stem)[1]
    # Parquet has compression of its own and is read from its end.
    return ('', '') if suffix == '.parquet' and compression else (suffix, compression)
