"""What the LinearBaseline component makes."""

from tfx.types.artifact import Artifact

BASELINE_FILE = 'baseline.json'


class LinearBaselineArtifact(Artifact):
    """A folder with `baseline.json`: accuracies `majority` and `nb_svm` on the test split, its `rows`, `seconds`."""

    TYPE_NAME = 'vaiven.LinearBaseline'
