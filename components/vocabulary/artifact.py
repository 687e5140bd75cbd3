"""The artifact of the Vocabulary component."""

from tfx.types.artifact import Artifact

VOCABULARY_FILE = 'vocab.txt'
COUNTS_FILE = 'counts.tsv'
SUMMARY_FILE = 'summary.json'
# Key in the summary.
VECTORS = 'vectors'


class VocabularyArtifact(Artifact):
    """A folder with three files, and a fourth if the run has pre-trained vectors.

    `vocab.txt`: one token per line; the line number, from 0, is the id. The special tokens come first.
    `counts.tsv`: token, tab, count, for every token that occurs, in descending order of count.
    `summary.json`: `size` of the vocabulary, number of `distinct` tokens, `total` occurrences, `coverage` (the share of
    the occurrences whose token is in the vocabulary), number of `texts` that were read; `vectors`, if there are any:
    name (`file`) and `sha256` of their file, number of `values` of each, number of `words` of the vocabulary and how
    many of them were `found`, and the number of `read_only` words at the end of `vocab.txt`, which the other figures
    leave out.
    `vectors.npz`: the vectors of the tokens (`vaiven.models.text.vectors`).
    """

    TYPE_NAME = 'vaiven.Vocabulary'
