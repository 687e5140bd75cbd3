"""The Teacher component."""

from typing import Any

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, component_spec, standard_artifacts

from vaiven.components.teacher import executor
from vaiven.components.teacher.checkpoints import checkpoint_digest
from vaiven.configuration import require, to_json
from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.config import TeacherConfig


class TeacherSpec(component_spec.ComponentSpec):
    """Parameters, inputs and outputs of `Teacher`."""

    PARAMETERS = {  # noqa: RUF012
        'config': component_spec.ExecutionParameter(type=str),
        'labels': component_spec.ExecutionParameter(type=str),
        'digest': component_spec.ExecutionParameter(type=str),
        'unfinished': component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        'examples': component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS = {  # noqa: RUF012
        'taught_examples': component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }


class Teacher(base_component.BaseComponent):
    """A TFX component that fine-tunes a pre-trained encoder, and scores the examples without labels with it.

    It is fine-tuned on the split `train`, and the best epoch on `eval` is kept. It scores the split `unlabelled` and
    altered copies of the split `train` (`teacher.altered_copies`). A smaller model then learns from the scores (Hinton
    et al. 2015). A killed run resumes after its last epoch, or its last scored texts.

    Example:
        teacher = Teacher(
            examples=example_gen.outputs['examples'],
            config=TeacherConfig(checkpoint='minilm'),
            labels=LabelSpec(),
            unfinished='unfinished',
        )
        transform = TextTransform(
            examples=teacher.outputs['taught_examples'],
            splits=['train', 'eval', 'unlabelled', 'teacher'],
            …
        )

    Component `outputs` contains:
        `taught_examples`: channel of type `standard_artifacts.Examples`: the splits of the input, of which `unlabelled`
            is empty, and a split `teacher`, whose examples have the feature `probabilities`. The folder also has
            `scores.jsonl`, the same rows as a file for `vaiven run --teacher`, and `scores.json`, the figures.
    """

    SPEC_CLASS = TeacherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel[Any],
        config: TeacherConfig,
        labels: LabelSpec,
        unfinished: str,
    ) -> None:
        """Constructs a Teacher component.

        Args:
            examples: channel of type `standard_artifacts.Examples`, as TextExampleGen writes them.
            config: names the checkpoint.
            labels: kind and classes.
            unfinished: folder of the state from which a killed run resumes.

        Raises:
            ConfigError: if the configuration names no checkpoint.
            UserError: if there is no such checkpoint.
        """
        require(
            bool(config.checkpoint), 'Teacher: teacher.checkpoint must name a checkpoint', config.checkpoint
        )
        taught = Channel(type=standard_artifacts.Examples)
        taught.matching_channel_name = 'examples'
        super().__init__(
            TeacherSpec(
                examples=examples,
                taught_examples=taught,
                config=to_json(config),
                labels=to_json(labels),
                digest=checkpoint_digest(config.checkpoint),
                unfinished=unfinished,
            )
        )
