"""What the Vocabulary component makes."""

from tfx.types.artifact import Artifact

VOCABULARY_FILE = 'vocab.txt'
COUNTS_FILE = 'counts.tsv'
SUMMARY_FILE = 'summary.json'


class VocabularyArtifact(Artifact):
    """A folder with three files.

    `vocab.txt`: one token a line, its number being the id; first the special tokens.
    `counts.tsv`: token, tab, count; every token that occurs, the most frequent first.
    `summary.json`: `size` of the vocabulary, `distinct` tokens, `total` occurrences, `coverage` (the part of
    those that is in the vocabulary), `texts` that were read.
    """

    TYPE_NAME = 'vaiven.Vocabulary'
