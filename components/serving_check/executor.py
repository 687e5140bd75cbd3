"""The executor of the ServingCheck component."""

import logging
import os
import tempfile
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from vaiven.components.examples import TEST_SPLIT, TEXT_FEATURE, read_texts
from vaiven.components.serving_check.check import check_model
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.configuration import from_json

CHECK_FILE = 'check.json'
progress = logging.getLogger('vaiven.progress')


class Executor(base_executor.BaseExecutor):
    """Writes `check.json`, and blesses the artifact as TFX's InfraValidator does."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Serves the candidate, compares its answers and writes the blessing.

        Args:
            input_dict: `model` and `examples`.
            output_dict: `blessing`.
            exec_properties: `config` as JSON, `split` and `text_feature`.

        Raises:
            UserError: if the examples do not have the split.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = from_json(ServingCheckConfig, exec_properties['config'])
        model = artifact_utils.get_single_instance(input_dict['model'])
        blessing = artifact_utils.get_single_instance(output_dict['blessing'])
        text_feature = exec_properties.get('text_feature') or TEXT_FEATURE
        examples = artifact_utils.get_single_instance(input_dict['examples'])
        texts = read_texts(examples, exec_properties.get('split') or TEST_SPLIT, text_feature)
        folder = path_utils.serving_model_path(model.uri)
        with tempfile.TemporaryDirectory(prefix='vaiven-check-') as local:
            if '://' in folder:
                io_utils.copy_dir(folder, local)
                folder = local
            check = check_model(folder, texts, config, text_feature)

        blessed = not check.reason
        fileio.makedirs(blessing.uri)
        io_utils.write_string_file(os.path.join(blessing.uri, CHECK_FILE), check.to_json())
        io_utils.write_string_file(
            os.path.join(blessing.uri, 'INFRA_BLESSED' if blessed else 'INFRA_NOT_BLESSED'), ''
        )
        blessing.set_int_custom_property('blessed', int(blessed))
        blessing.set_string_custom_property('reason', check.reason)
        if blessed:
            progress.info(
                'served answers to %d rows differ by at most %.1g (gRPC) and %.1g (REST) from those in process',
                check.rows,
                check.grpc,
                check.rest,
            )
        else:
            progress.info('the served model failed the check: %s', check.reason)
