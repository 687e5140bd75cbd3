"""What a Kubeflow step runs in the image: TFX's executor, after the project's own artifact types are known.

TFX finds the class of an artifact by its type's name, which Kubeflow wants as `<namespace>.<Title>`, too short for
the dotted path that TFX would import. Command of a step: `python -m vaiven.components.kubeflow_entry`.
"""

import runpy

# The Evaluator loads models that need the operations of the tokeniser.
import tensorflow_text  # noqa: F401
from tfx.orchestration.kubeflow.v2 import compiler_utils

ARTIFACT_CLASSES = {
    'vaiven.Vocabulary': 'vaiven.components.vocabulary.artifact.VocabularyArtifact',
    'vaiven.LinearBaseline': 'vaiven.components.linear_baseline.artifact.LinearBaselineArtifact',
}


def register_artifact_types() -> None:
    compiler_utils.TITLE_TO_CLASS_PATH.update(ARTIFACT_CLASSES)


if __name__ == '__main__':
    register_artifact_types()
    runpy.run_module(
        'tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor',
        run_name='__main__',
        alter_sys=True,
    )
