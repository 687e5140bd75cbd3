"""The artifact of the Vocabulary component."""

from tfx.types.artifact import Artifact

VOCABULARY_FILE = 'vocab.txt'
COUNTS_FILE = 'counts.tsv'
SUMMARY_FILE = 'summary.json'


class VocabularyArtifact(Artifact):
    """A folder with three files.

    `vocab.txt`: one token per line; the line number, from 0, is the id. The special tokens come first.
    `counts.tsv`: token, tab, count, for every token that occurs, in descending order of count.
    `summary.json`: `size` of the vocabulary, number of `distinct` tokens, `total` occurrences, `coverage` (the share of
    the occurrences whose token is in the vocabulary), number of `texts` that were read.
    """

    TYPE_NAME = 'vaiven.Vocabulary'
