"""Tells `preprocessing_fn` where the vocabulary is."""

from typing import Any

from tfx.components.transform import executor
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import json_utils


class Executor(executor.Executor):
    """TFX's Transform, whose `custom_config` also has `vocabulary_uri`, a folder with `vocab.txt`."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        key = standard_component_specs.CUSTOM_CONFIG_KEY
        # Only the executor knows the address: it is that of this run's artifact.
        custom_config = dict(json_utils.loads(exec_properties.get(key) or 'null') or {})
        custom_config['vocabulary_uri'] = artifact_utils.get_single_uri(input_dict['vocabulary'])
        super().Do(input_dict, output_dict, {**exec_properties, key: json_utils.dumps(custom_config)})
