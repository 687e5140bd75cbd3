"""The WordPiece vocabulary of a checkpoint: `vocab.txt`, or `tokenizer.json` of newer files."""

import json
from pathlib import Path
from typing import Any

from vaiven.models.teacher.errors import CheckpointFolderError

VOCABULARY_FILE, TOKENIZER_FILE = 'vocab.txt', 'tokenizer.json'
_TOKENIZER_CONFIG_FILE = 'tokenizer_config.json'


def has_vocabulary(folder: Path) -> bool:
    """Whether the folder has one of the files."""
    return any((folder / name).is_file() for name in (VOCABULARY_FILE, TOKENIZER_FILE))


def read_vocabulary(folder: Path) -> list[str]:
    """Reads the tokens in the order of their ids.

    Args:
        folder: of the checkpoint.

    Raises:
        CheckpointFolderError: there is no such file, or it is not the vocabulary of a WordPiece tokenizer.
    """
    path = folder / VOCABULARY_FILE
    if path.is_file():
        try:
            return path.read_text('utf-8').rstrip('\n').split('\n')
        except (OSError, ValueError) as error:
            raise CheckpointFolderError(
                f'{path}: cannot be read ({error}); download the checkpoint again'
            ) from None
    path = folder / TOKENIZER_FILE
    model = read_json(path).get('model')
    vocabulary = model.get('vocab') if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(vocabulary, dict) or model.get('type') != 'WordPiece':
        kind = model.get('type') if isinstance(model, dict) else None
        raise CheckpointFolderError(
            f'{path}: the tokenizer must be of type WordPiece. Received: {kind}; give another checkpoint'
        )
    return sorted(vocabulary, key=vocabulary.__getitem__)


def is_lower_case(folder: Path) -> bool:
    """Whether the tokenizer lower-cases and removes accents, as that of `uncased` models; so if no file says."""
    if (folder / _TOKENIZER_CONFIG_FILE).is_file():
        return bool(read_json(folder / _TOKENIZER_CONFIG_FILE).get('do_lower_case', True))
    if (folder / TOKENIZER_FILE).is_file():
        normalizer = read_json(folder / TOKENIZER_FILE).get('normalizer')
        return bool(normalizer.get('lowercase', True)) if isinstance(normalizer, dict) else False
    return True


def read_json(path: Path) -> dict[str, Any]:
    """Reads an object from a JSON file; an empty one for other JSON.

    Args:
        path: the file.

    Raises:
        CheckpointFolderError: it cannot be read.
    """
    try:
        values = json.loads(path.read_text('utf-8'))
    except (OSError, ValueError) as error:
        raise CheckpointFolderError(
            f'{path}: cannot be read ({error}); download the checkpoint again'
        ) from None
    return values if isinstance(values, dict) else {}
