"""The component that makes the vocabulary an artifact of its own."""

from typing import Any

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.vocabulary import executor
from vaiven.components.vocabulary.artifact import VocabularyArtifact
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.configuration import to_json
from vaiven.models.text.config import TextConfig


class VocabularySpec(component_spec.ComponentSpec):
    PARAMETERS = {  # noqa: RUF012
        'config': component_spec.ExecutionParameter(type=str),
        'text': component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        'examples': component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS = {  # noqa: RUF012
        'vocabulary': component_spec.ChannelParameter(type=VocabularyArtifact)
    }


class Vocabulary(base_beam_component.BaseBeamComponent):
    """Counts the tokens of the splits `train` and `unlabelled`, and keeps the most frequent.

    Example:
        vocabulary = Vocabulary(examples.outputs['examples'], VocabularyConfig(max_size=10_000), TextConfig())
        vocabulary.outputs['vocabulary']  # of type VocabularyArtifact
    """

    SPEC_CLASS = VocabularySpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(self, examples: BaseChannel[Any], config: VocabularyConfig, text: TextConfig) -> None:
        super().__init__(
            VocabularySpec(
                examples=examples,
                config=to_json(config),
                text=to_json(text),
                vocabulary=Channel(type=VocabularyArtifact),
            )
        )
