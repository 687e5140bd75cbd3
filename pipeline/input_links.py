"""Links the input files into the folder of the run, under names that do not depend on their location.

TFX takes the path of a file for a glob pattern, and includes it in the cache key. With links of plain names, brackets
in a path are harmless, and files that were moved are recognised by their content.
"""

import contextlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator

from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.pipeline.paths import RunPaths

# Characters of patterns in Beam, TensorFlow and TFX (`{SPAN}`), and the dot of hidden files.
_UNSAFE = re.compile(r'[^\w.-]|^\.')


def link_names(files: DataFiles) -> list[str]:
    """The name of the link to each file, in order.

    It is the name of the file without special characters, in a numbered folder if several files have the same name.
    """
    names = [_UNSAFE.sub('_', os.path.basename(source.path)) for source in files.sources()]
    counts = Counter(names)
    return [name if counts[name] == 1 else f'{number}/{name}' for number, name in enumerate(names)]


def vectors_link_name(vectors: VectorsSource) -> str:
    """The name of the link to the vectors: that of the file or folder, without special characters."""
    return _UNSAFE.sub('_', vectors.name)


@contextlib.contextmanager
def input_links(files: DataFiles, paths: RunPaths) -> Iterator[DataFiles]:
    """Links all files below `paths.inputs`, until the context ends.

    Args:
        files: the input files, with absolute paths.
        paths: the folder of the run, whose lock the caller holds.

    Yields:
        The links, as paths below `paths.inputs`.
    """
    links = [os.path.join(paths.inputs, name) for name in link_names(files)]
    shutil.rmtree(paths.inputs, ignore_errors=True)  # of a killed run
    try:
        for source, link in zip(files.sources(), links, strict=True):
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(source.path, link)
        sources = list(zip(files.sources(), links, strict=True))
        kinds = 'data', 'unlabelled', 'teacher'
        by_kind = (tuple(link for source, link in sources if source.kind == kind) for kind in kinds)
        yield DataFiles(*by_kind, vectors=_link_vectors(files.vectors, paths))
    finally:
        shutil.rmtree(paths.inputs, ignore_errors=True)


def _link_vectors(vectors: VectorsSource | None, paths: RunPaths) -> VectorsSource | None:
    """Links the vectors in a folder of their own, so that the names of the other links do not depend on them."""
    if vectors is None:
        return None
    link = os.path.join(paths.inputs, 'vectors', vectors_link_name(vectors))
    os.makedirs(os.path.dirname(link), exist_ok=True)
    os.symlink(vectors.path, link)
    return vectors._replace(path=link)
