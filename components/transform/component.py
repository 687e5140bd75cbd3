"""TFX's Transform with one more input."""

from collections.abc import Sequence
from typing import Any

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import transform_pb2
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import json_utils

from vaiven.components.transform import executor
from vaiven.components.vocabulary.artifact import VocabularyArtifact


class TextTransformSpec(standard_component_specs.TransformSpec):
    INPUTS = {  # noqa: RUF012
        **standard_component_specs.TransformSpec.INPUTS,
        'vocabulary': component_spec.ChannelParameter(type=VocabularyArtifact),
    }


class TextTransform(base_beam_component.BaseBeamComponent):
    """Transforms examples with a `preprocessing_fn` that looks tokens up in a vocabulary.

    The function is called as `preprocessing_fn(inputs, custom_config)`; `custom_config['vocabulary_uri']` is
    the folder with `vocab.txt`. Outputs: `transform_graph`, `transformed_examples`.

    Args:
        examples, schema, vocabulary: what the components before gave.
        preprocessing_fn: dotted path of the function.
        custom_config: values of JSON.
        splits: those that are transformed; `train` alone is analysed.
    """

    SPEC_CLASS = TextTransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel[Any],
        schema: BaseChannel[Any],
        vocabulary: BaseChannel[Any],
        preprocessing_fn: str,
        custom_config: dict[str, Any] | None = None,
        splits: Sequence[str] = ('train', 'eval', 'unlabelled'),
    ) -> None:
        transformed = Channel(type=standard_artifacts.Examples)
        transformed.matching_channel_name = 'examples'
        super().__init__(
            TextTransformSpec(
                examples=examples,
                schema=schema,
                vocabulary=vocabulary,
                preprocessing_fn=preprocessing_fn,
                custom_config=json_utils.dumps(custom_config or {}),
                splits_config=transform_pb2.SplitsConfig(analyze=['train'], transform=list(splits)),  # type: ignore[attr-defined]
                force_tf_compat_v1=0,
                disable_statistics=1,
                transform_graph=Channel(type=standard_artifacts.TransformGraph),
                transformed_examples=transformed,
            )
        )
