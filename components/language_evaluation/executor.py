"""The executor of the LanguageEvaluator component."""

import logging
import os
from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.examples import TEST_SPLIT, TEXT_FEATURE, TRAIN_SPLIT, read_texts
from vaiven.components.language_evaluation.evaluate import evaluate
from vaiven.configuration import from_json
from vaiven.models.text.config import TextConfig

EVALUATION_FILE = 'language.json'
progress = logging.getLogger('vaiven.progress')


class Executor(base_executor.BaseExecutor):
    """Writes `language.json`, and blesses the model as TFX's Evaluator does."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the candidate and writes the result and the blessing.

        Args:
            input_dict: `examples`, `model` and, optionally, `baseline_model`.
            output_dict: `evaluation` and `blessing`.
            exec_properties: `config` and `text` as JSON; `train_split`, `test_split` and `text_feature`.

        Raises:
            UserError: if the examples do not have one of the splits.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict['examples'])
        model = artifact_utils.get_single_instance(input_dict['model'])
        baseline = next(iter(input_dict.get('baseline_model') or ()), None)
        text_feature = exec_properties.get('text_feature') or TEXT_FEATURE
        result = evaluate(
            path_utils.serving_model_path(model.uri),
            path_utils.serving_model_path(baseline.uri) if baseline else None,
            read_texts(examples, exec_properties.get('train_split') or TRAIN_SPLIT, text_feature),
            read_texts(examples, exec_properties.get('test_split') or TEST_SPLIT, text_feature),
            from_json(EvaluationConfig, exec_properties['config']),
            from_json(TextConfig, exec_properties['text']),
        )
        evaluation = artifact_utils.get_single_instance(output_dict['evaluation'])
        fileio.makedirs(evaluation.uri)
        io_utils.write_string_file(os.path.join(evaluation.uri, EVALUATION_FILE), result.to_json())
        _bless(artifact_utils.get_single_instance(output_dict['blessing']), model, baseline, result.reason)
        progress.info(
            'held-out text: %.3f bits per character; %.3f by character frequencies, %.3f by a compressor (xz)',
            result.bits_per_character,
            result.unigram,
            result.compressor,
        )
        if result.reason:
            progress.info('not blessed: %s', result.reason)


def _bless(blessing: Artifact, model: Artifact, baseline: Artifact | None, reason: str) -> None:
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if baseline:
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id)
    value, name = (
        (constants.NOT_BLESSED_VALUE, constants.NOT_BLESSED_FILE_NAME)
        if reason
        else (constants.BLESSED_VALUE, constants.BLESSED_FILE_NAME)
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    blessing.set_string_custom_property('reason', reason)
    fileio.makedirs(blessing.uri)
    io_utils.write_string_file(os.path.join(blessing.uri, name), '')
