"""The artifact of the LinearBaseline component."""

from tfx.types.artifact import Artifact

BASELINE_FILE = 'baseline.json'


class LinearBaselineArtifact(Artifact):
    """A folder with `baseline.json`.

    Its keys: the accuracies `majority` and `nb_svm` on the test split, from 0 to 1; `macro_f1` of the NB-SVM; of
    ordered classes also its `mean_absolute_error` and `majority_mean_absolute_error`; `rows`, the number of test
    examples; `seconds`, the duration.
    """

    TYPE_NAME = 'vaiven.LinearBaseline'
