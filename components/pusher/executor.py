"""Pushes where both the evaluation and the serving check have blessed the model."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from vaiven.components.pusher.push import copier, push
from vaiven.errors import UserError

progress = logging.getLogger('vaiven.progress')


class Executor(base_executor.BaseExecutor):
    """Sets the custom properties that TFX's own Pusher sets, and `reason` where nothing was pushed."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Raises PushError where the serving folder cannot be written."""
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed_model = artifact_utils.get_single_instance(output_dict['pushed_model'])
        serving_dir = exec_properties['serving_dir']
        if '://' in serving_dir:
            raise UserError(
                f'the serving folder must lie on a mounted disk: nothing else renames in one step. '
                f'Received: {serving_dir!r}'
            )
        if reason := why_not(input_dict):
            pushed_model.set_int_custom_property('pushed', 0)
            pushed_model.set_string_custom_property('reason', reason)
            progress.info('not pushed: %s', reason)
            return
        model = artifact_utils.get_single_instance(input_dict['model'])
        pushed = push(_copier(path_utils.serving_model_path(model.uri)), Path(serving_dir))
        pushed_model.set_int_custom_property('pushed', int(pushed.new))
        pushed_model.set_string_custom_property('pushed_version', str(pushed.version))
        pushed_model.set_string_custom_property('pushed_destination', pushed.destination)
        progress.info(
            'pushed version %d' if pushed.new else 'this very model is version %d already; nothing to push',
            pushed.version,
        )


def why_not(input_dict: dict[str, list[Artifact]]) -> str:
    """The reason not to push, or nothing. A gate that the pipeline lacks keeps nothing back."""
    if (blessings := input_dict.get('model_blessing')) and not model_utils.is_model_blessed(blessings[0]):
        reason = blessings[0].get_string_custom_property('reason')
        return f'the evaluation did not bless the model: {reason or "it is below the bounds of accuracy"}'
    if (blessings := input_dict.get('infra_blessing')) and not model_utils.is_infra_validated(blessings[0]):
        return 'the serving check did not bless the model: it does not answer as it should when served'
    return ''


def _copier(uri: str) -> Callable[[Path], object]:
    if '://' in uri:
        return lambda folder: io_utils.copy_dir(uri, str(folder))
    return copier(Path(uri))
