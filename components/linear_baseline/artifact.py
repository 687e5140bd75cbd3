"""The artifact of the LinearBaseline component."""

from tfx.types.artifact import Artifact

BASELINE_FILE = 'baseline.json'


class LinearBaselineArtifact(Artifact):
    """A folder with `baseline.json`.

    Its keys: the accuracies `majority` and `nb_svm` on the test split, from 0 to 1; `rows`, the number of test
    examples; `seconds`, the duration.
    """

    TYPE_NAME = 'vaiven.LinearBaseline'
