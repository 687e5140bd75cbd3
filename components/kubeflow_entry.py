"""Entry point of a Kubeflow step: registers the project's artifact types, then runs the TFX executor.

TFX finds the class of an artifact by the name of its type. Kubeflow requires `<namespace>.<Title>`, which is too short
for the dotted path that TFX would import. The command of a step is `python -m vaiven.components.kubeflow_entry`.
"""

import runpy

# Registers the tokeniser's ops: the Evaluator loads models that use them.
import tensorflow_text  # noqa: F401
from tfx.orchestration.kubeflow.v2 import compiler_utils

ARTIFACT_CLASSES = {
    'vaiven.Vocabulary': 'vaiven.components.vocabulary.artifact.VocabularyArtifact',
    'vaiven.LinearBaseline': 'vaiven.components.linear_baseline.artifact.LinearBaselineArtifact',
}


def register_artifact_types() -> None:
    """Lets TFX find the artifact classes of the project by their type names."""
    compiler_utils.TITLE_TO_CLASS_PATH.update(ARTIFACT_CLASSES)


if __name__ == '__main__':
    register_artifact_types()
    runpy.run_module(
        'tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor',
        run_name='__main__',
        alter_sys=True,
    )
