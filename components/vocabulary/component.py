"""The Vocabulary component."""

import json
from collections.abc import Sequence
from typing import Any

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.examples import TEXT_FEATURE
from vaiven.components.parameters import names_to_json, require_names
from vaiven.components.vocabulary import executor
from vaiven.components.vocabulary.artifact import VocabularyArtifact
from vaiven.components.vocabulary.config import VocabularyConfig
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.configuration import to_json
from vaiven.models.text.config import TextConfig


class VocabularySpec(component_spec.ComponentSpec):
    """Parameters, inputs and outputs of `Vocabulary`."""

    PARAMETERS = {  # noqa: RUF012
        'config': component_spec.ExecutionParameter(type=str),
        'text': component_spec.ExecutionParameter(type=str),
        'splits': component_spec.ExecutionParameter(type=str, optional=True),
        'text_feature': component_spec.ExecutionParameter(type=str, optional=True),
        'vectors': component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {  # noqa: RUF012
        'examples': component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS = {  # noqa: RUF012
        'vocabulary': component_spec.ChannelParameter(type=VocabularyArtifact)
    }


class Vocabulary(base_beam_component.BaseBeamComponent):
    """A TFX component that counts the tokens of examples and keeps the most frequent as the vocabulary.

    Counting runs on any Beam runner and uses the tokeniser of the exported model, so that training and serving
    agree. Leave the held-out splits out: their texts must not shape the vocabulary.

    Pre-trained vectors of words join as a further file: words that only they know are added at the end, up to
    `config.vector_words`.

    Example:
        example_gen = CsvExampleGen(input_base='reviews')
        vocabulary = Vocabulary(
            examples=example_gen.outputs['examples'],
            config=VocabularyConfig(max_size=10_000),
            text=TextConfig(),
            splits=['train'],
            text_feature='review',
        )

    Component `outputs` contains:
        `vocabulary`: channel of type `vaiven.components.vocabulary.artifact.VocabularyArtifact`, a folder with
            `vocab.txt`, `counts.tsv` and `summary.json`, and `vectors.npz` if there are vectors.
    """

    SPEC_CLASS = VocabularySpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel[Any],
        config: VocabularyConfig,
        text: TextConfig,
        splits: Sequence[str] = executor.SPLITS,
        text_feature: str = TEXT_FEATURE,
        vectors: VectorsSource | None = None,
    ) -> None:
        """Constructs a Vocabulary component.

        Args:
            examples: channel of type `standard_artifacts.Examples`, gzipped TFRecords of tf.Examples.
            config: size of the vocabulary and the minimum count of a token.
            text: how texts are normalised, and the unit of a token: character, word or wordpiece.
            splits: splits whose texts are counted. Those that the examples do not have are skipped; one is required.
            text_feature: name of the feature with the text, one UTF-8 string in each example.
            vectors: file of pre-trained vectors; None for none.

        Raises:
            ConfigError: if `splits` or `text_feature` is empty.
        """
        require_names('Vocabulary', text_feature=text_feature)
        super().__init__(
            VocabularySpec(
                examples=examples,
                config=to_json(config),
                text=to_json(text),
                splits=names_to_json('Vocabulary', 'splits', splits),
                text_feature=text_feature,
                # Without vectors the parameter stays out, so that executions cached without it are still found.
                vectors=None if vectors is None else json.dumps(vectors._asdict()),
                vocabulary=Channel(type=VocabularyArtifact),
            )
        )
