"""Checks the candidate, and blesses it or not."""

import logging
import os
import tempfile
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from vaiven.components.examples import read_texts
from vaiven.components.serving_check.check import check_model
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.configuration import from_json

CHECK_FILE = 'check.json'
progress = logging.getLogger('vaiven.progress')


class Executor(base_executor.BaseExecutor):
    """Writes `check.json`, and marks the artifact as TFX's InfraValidator would."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        config = from_json(ServingCheckConfig, exec_properties['config'])
        model = artifact_utils.get_single_instance(input_dict['model'])
        blessing = artifact_utils.get_single_instance(output_dict['blessing'])
        texts = read_texts(artifact_utils.get_single_instance(input_dict['examples']), 'test')
        folder = path_utils.serving_model_path(model.uri)
        with tempfile.TemporaryDirectory(prefix='vaiven-check-') as local:
            if '://' in folder:
                io_utils.copy_dir(folder, local)
                folder = local
            check = check_model(folder, texts, config)

        blessed = not check.reason
        fileio.makedirs(blessing.uri)
        io_utils.write_string_file(os.path.join(blessing.uri, CHECK_FILE), check.to_json())
        io_utils.write_string_file(
            os.path.join(blessing.uri, 'INFRA_BLESSED' if blessed else 'INFRA_NOT_BLESSED'), ''
        )
        blessing.set_int_custom_property('blessed', int(blessed))
        blessing.set_string_custom_property('reason', check.reason)
        progress.info(
            'served answers to %d rows lie within %.1g (gRPC) and %.1g (REST) of those in process',
            check.rows,
            check.grpc,
            check.rest,
        ) if blessed else progress.info('the served model failed the check: %s', check.reason)
