"""The executor of the AtomicPusher component."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from vaiven.components.pusher.push import folder_copier, push
from vaiven.errors import UserError

progress = logging.getLogger('vaiven.progress')


class Executor(base_executor.BaseExecutor):
    """Pushes a blessed model; sets the custom properties of TFX's own Pusher, and `reason` if nothing was pushed."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model unless a given blessing is negative.

        Args:
            input_dict: `model` and, optionally, `model_blessing` and `infra_blessing`.
            output_dict: `pushed_model`.
            exec_properties: `serving_dir`.

        Raises:
            PushError: if the serving folder cannot be written.
            UserError: if the serving folder is not on a mounted file system.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed_model = artifact_utils.get_single_instance(output_dict['pushed_model'])
        serving_dir = exec_properties['serving_dir']
        if '://' in serving_dir:
            raise UserError(
                'the serving folder must be on a mounted disk: object stores cannot rename a folder atomically. '
                f'Received: {serving_dir!r}'
            )
        if reason := rejection_reason(input_dict):
            pushed_model.set_int_custom_property('pushed', 0)
            pushed_model.set_string_custom_property('reason', reason)
            progress.info('not pushed: %s', reason)
            return
        model = artifact_utils.get_single_instance(input_dict['model'])
        pushed = push(_model_copier(path_utils.serving_model_path(model.uri)), Path(serving_dir))
        pushed_model.set_int_custom_property('pushed', int(pushed.new))
        pushed_model.set_string_custom_property('pushed_version', str(pushed.version))
        pushed_model.set_string_custom_property('pushed_destination', pushed.destination)
        progress.info(
            'pushed version %d' if pushed.new else 'the same model is already version %d; nothing to push',
            pushed.version,
        )


def rejection_reason(input_dict: dict[str, list[Artifact]]) -> str:
    """Why a model is not pushed; empty if it is. A blessing that is not an input of the component is not required.

    Args:
        input_dict: inputs of the component, by name.
    """
    if (blessings := input_dict.get('model_blessing')) and not model_utils.is_model_blessed(blessings[0]):
        reason = blessings[0].get_string_custom_property('reason')
        return f'the evaluation did not bless the model: {reason or "its accuracy is below the threshold"}'
    if (blessings := input_dict.get('infra_blessing')) and not model_utils.is_infra_validated(blessings[0]):
        return 'the serving check did not bless the model: its served answers are not those of the SavedModel'
    return ''


def _model_copier(uri: str) -> Callable[[Path], object]:
    if '://' in uri:
        return lambda folder: io_utils.copy_dir(uri, str(folder))
    return folder_copier(Path(uri))
