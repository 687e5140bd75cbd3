"""Where the vectors of a run come from. Imports nothing slow."""

import hashlib
import os
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

# The files of a folder of model2vec.
TABLE_FILE, TOKENIZER_FILE = 'model.safetensors', 'tokenizer.json'
_BLOCK_BYTES = 1 << 20


class VectorsSource(NamedTuple):
    """A file or folder of vectors.

    Attributes:
        path: an absolute path, or an address (`gs://…`); that of a folder ends in `/`.
        sha256: hash of the content, by which the cache recognises it; '' if only the steps of a pipeline can read it.
    """

    path: str
    sha256: str = ''

    @property
    def name(self) -> str:
        """The name of the file or folder."""
        return os.path.basename(self.path.rstrip('/'))

    @property
    def is_folder(self) -> bool:
        """Whether the vectors are a folder of model2vec."""
        return self.path.endswith('/') or os.path.isdir(self.path)


def hash_vectors(source: VectorsSource, opener: Callable[[str], BinaryIO]) -> str:
    """Computes the SHA-256 of a file, or of both files of a folder.

    Args:
        source: the vectors.
        opener: opens a path for reading.
    """
    digest = hashlib.sha256()
    files = (TOKENIZER_FILE, TABLE_FILE) if source.is_folder else ('',)
    for name in files:
        with opener(os.path.join(source.path, name) if name else source.path) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
