"""Adds pre-trained vectors to the files of a vocabulary."""

import json
import logging
import os

from tfx.dsl.io import fileio

from vaiven.components.text_example_gen.transforms import open_anywhere
from vaiven.components.vocabulary.artifact import COUNTS_FILE, SUMMARY_FILE, VECTORS, VOCABULARY_FILE
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.components.vocabulary.vectors.files import open_vectors
from vaiven.components.vocabulary.vectors.selection import Selection, select_vectors
from vaiven.components.vocabulary.vectors.source import VectorsSource, hash_vectors
from vaiven.models.text.config import TextConfig
from vaiven.models.text.vectors import VECTORS_FILE, TokenVectors

progress = logging.getLogger('vaiven.progress')


def add_vectors(uri: str, source: VectorsSource, config: VocabularyConfig, text: TextConfig) -> None:
    """Writes the vectors of a vocabulary, and adds words that only they know to it.

    Args:
        uri: folder of the vocabulary, which gets `vectors.npz`.
        source: the vectors.
        config: maximum number of words to add.
        text: how texts are normalised and split into tokens.

    Raises:
        UserError: the vectors cannot be read, or know no word of the vocabulary.
    """
    tokens = _read(uri, VOCABULARY_FILE).splitlines()
    counts = dict(line.split('\t') for line in _read(uri, COUNTS_FILE).splitlines())
    with open_vectors(source.path, open_anywhere) as file:
        selection = select_vectors(
            file,
            tokens,
            {token: int(count) for token, count in counts.items()},
            config.vector_words,
            text,
        )
    record = {
        'file': source.name,
        'sha256': source.sha256 or hash_vectors(source, open_anywhere),
        'values': selection.table.shape[1],
        'words': selection.words,
        'found': selection.found,
        'read_only': len(selection.read_only),
    }
    _write(uri, selection, tokens, record)
    progress.info('%s', selection.line())


def _write(uri: str, selection: Selection, tokens: list[str], record: dict[str, str | int]) -> None:
    summary = {**json.loads(_read(uri, SUMMARY_FILE)), VECTORS: record}
    vectors = TokenVectors(selection.table, len(selection.read_only), record)
    contents = {
        VOCABULARY_FILE: ''.join(f'{token}\n' for token in [*tokens, *selection.read_only]).encode(),
        SUMMARY_FILE: json.dumps(summary, indent=2).encode(),
        VECTORS_FILE: vectors.to_bytes(),
    }
    for name, content in contents.items():
        with fileio.open(os.path.join(uri, name), 'wb') as file:
            file.write(content)


def _read(uri: str, name: str) -> str:
    with fileio.open(os.path.join(uri, name), 'rb') as file:
        return bytes(file.read()).decode()
