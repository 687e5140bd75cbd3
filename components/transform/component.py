"""The TextTransform component."""

from collections.abc import Sequence
from typing import Any

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import transform_pb2
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import json_utils

from vaiven.components.examples import LABEL_FEATURE, TEXT_FEATURE, TRAIN_SPLIT, UNLABELLED_SPLIT
from vaiven.components.parameters import names_to_json, require_names
from vaiven.components.transform import executor
from vaiven.components.vocabulary.artifact import VocabularyArtifact


class TextTransformSpec(standard_component_specs.TransformSpec):
    """The parameters, inputs and outputs of TFX's Transform, and the input `vocabulary`."""

    INPUTS = {  # noqa: RUF012
        **standard_component_specs.TransformSpec.INPUTS,
        'vocabulary': component_spec.ChannelParameter(type=VocabularyArtifact),
    }


class TextTransform(base_beam_component.BaseBeamComponent):
    """TFX's Transform with a vocabulary as a further input.

    TFX calls `preprocessing_fn(inputs, custom_config)`. The executor adds `vocabulary_uri`, the folder with
    `vocab.txt`, to `custom_config`; `text_feature` and `label_feature` are added where they are not the defaults.

    Example:
        transform = TextTransform(
            examples=example_gen.outputs['examples'],
            schema=schema_gen.outputs['schema'],
            vocabulary=vocabulary.outputs['vocabulary'],
            preprocessing_fn='vaiven.models.data.preprocessing.preprocessing_fn',
            custom_config={'config': '{"text": {}}'},
            splits=['train', 'eval'],
            text_feature='review',
        )

    Component `outputs` contains:
        `transform_graph`: channel of type `standard_artifacts.TransformGraph`.
        `transformed_examples`: channel of type `standard_artifacts.Examples`, with the transformed splits.
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
        splits: Sequence[str] = (TRAIN_SPLIT, 'eval', UNLABELLED_SPLIT),
        analyze_splits: Sequence[str] = (TRAIN_SPLIT,),
        text_feature: str = TEXT_FEATURE,
        label_feature: str = LABEL_FEATURE,
    ) -> None:
        """Constructs a TextTransform component.

        Args:
            examples: channel of type `standard_artifacts.Examples`.
            schema: channel of type `standard_artifacts.Schema`.
            vocabulary: channel of type `vaiven.components.vocabulary.artifact.VocabularyArtifact`.
            preprocessing_fn: dotted path of the function.
            custom_config: second argument of the function; JSON-serialisable.
            splits: splits that are transformed.
            analyze_splits: splits that the analysers of TensorFlow Transform see.
            text_feature: name of the feature with the text.
            label_feature: name of the feature with the label.

        Raises:
            ConfigError: if a name is empty.
        """
        require_names('TextTransform', text_feature=text_feature, label_feature=label_feature)
        for parameter, names in (('splits', splits), ('analyze_splits', analyze_splits)):
            names_to_json('TextTransform', parameter, names)
        # Default names stay out, so that executions cached without them are still found.
        features = {'text_feature': text_feature, 'label_feature': label_feature}
        defaults = {'text_feature': TEXT_FEATURE, 'label_feature': LABEL_FEATURE}
        changed = {key: name for key, name in features.items() if name != defaults[key]}
        transformed = Channel(type=standard_artifacts.Examples)
        transformed.matching_channel_name = 'examples'
        super().__init__(
            TextTransformSpec(
                examples=examples,
                schema=schema,
                vocabulary=vocabulary,
                preprocessing_fn=preprocessing_fn,
                custom_config=json_utils.dumps({**(custom_config or {}), **changed}),
                splits_config=transform_pb2.SplitsConfig(
                    analyze=list(analyze_splits), transform=list(splits)
                ),
                force_tf_compat_v1=0,
                disable_statistics=1,
                transform_graph=Channel(type=standard_artifacts.TransformGraph),
                transformed_examples=transformed,
            )
        )
