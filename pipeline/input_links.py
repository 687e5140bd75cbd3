"""Gives the files of a run addresses that do not depend on where they lie.

TFX takes the path of a file for a pattern, and as part of what decides whether a result is in the cache. So a run
reads links with plain names in its own folder: brackets in a path are harmless there, and data that was moved is
recognised by its content.
"""

import contextlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.pipeline.paths import RunPaths

# Neither a pattern to Beam, TensorFlow or TFX (`{SPAN}`) nor hidden.
_UNSAFE = re.compile(r'[^\w.-]|^\.')


def plain_names(files: DataFiles) -> list[str]:
    """A name for each file in their order: its own without special characters, in a numbered folder where two agree."""
    names = [_UNSAFE.sub('_', os.path.basename(source.path)) for source in files.sources()]
    counts = Counter(names)
    return [name if counts[name] == 1 else f'{number}/{name}' for number, name in enumerate(names)]


@contextlib.contextmanager
def linked(files: DataFiles, paths: RunPaths) -> Iterator[DataFiles]:
    """Links all files below `paths.inputs` until the context ends.

    Args:
        files: with absolute paths.
        paths: whose lock the caller holds.

    Yields:
        The links, by paths below `paths.inputs`.
    """
    links = [os.path.join(paths.inputs, name) for name in plain_names(files)]
    shutil.rmtree(paths.inputs, ignore_errors=True)  # of a killed run
    try:
        for source, link in zip(files.sources(), links, strict=True):
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(source.path, link)
        yield DataFiles(tuple(links[: len(files.data)]), tuple(links[len(files.data) :]))
    finally:
        shutil.rmtree(paths.inputs, ignore_errors=True)
