"""Evaluates the candidate, and blesses it or not."""

import logging
import os
from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.examples import read_texts
from vaiven.components.language_evaluation.evaluate import evaluate
from vaiven.configuration import from_json
from vaiven.models.text.config import TextConfig

EVALUATION_FILE = 'language.json'
progress = logging.getLogger('vaiven.progress')


class Executor(base_executor.BaseExecutor):
    """Writes `language.json`, and marks the blessing as TFX's Evaluator does."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict['examples'])
        model = artifact_utils.get_single_instance(input_dict['model'])
        before = next(iter(input_dict.get('baseline_model') or ()), None)
        found = evaluate(
            path_utils.serving_model_path(model.uri),
            path_utils.serving_model_path(before.uri) if before else None,
            read_texts(examples, 'train'),
            read_texts(examples, 'test'),
            from_json(EvaluationConfig, exec_properties['config']),
            from_json(TextConfig, exec_properties['text']),
        )
        evaluation = artifact_utils.get_single_instance(output_dict['evaluation'])
        fileio.makedirs(evaluation.uri)
        io_utils.write_string_file(os.path.join(evaluation.uri, EVALUATION_FILE), found.to_json())
        _bless(artifact_utils.get_single_instance(output_dict['blessing']), model, before, found.reason)
        progress.info(
            'held-out text: %.3f bits a character; %.3f by single characters, %.3f by a compressor (xz)',
            found.bits_per_character,
            found.unigram,
            found.compressor,
        )
        if found.reason:
            progress.info('not blessed: %s', found.reason)


def _bless(blessing: Artifact, model: Artifact, before: Artifact | None, reason: str) -> None:
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if before:
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, before.uri)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, before.id)
    value, name = (
        (constants.NOT_BLESSED_VALUE, constants.NOT_BLESSED_FILE_NAME)
        if reason
        else (constants.BLESSED_VALUE, constants.BLESSED_FILE_NAME)
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    blessing.set_string_custom_property('reason', reason)
    fileio.makedirs(blessing.uri)
    io_utils.write_string_file(os.path.join(blessing.uri, name), '')
