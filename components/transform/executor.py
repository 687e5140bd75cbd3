"""The executor of the TextTransform component."""

from typing import Any

from tfx.components.transform import executor
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import json_utils


class Executor(executor.Executor):
    """TFX's Transform executor; adds `vocabulary_uri`, the folder with `vocab.txt`, to `custom_config`."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Transforms the examples as TFX does, with the vocabulary's address in `custom_config`.

        Args:
            input_dict: `examples`, `schema` and `vocabulary`.
            output_dict: `transform_graph` and `transformed_examples`.
            exec_properties: those of TFX's Transform.
        """
        key = standard_component_specs.CUSTOM_CONFIG_KEY
        # Added here and not by the component: the address is known only when this run's artifact exists.
        custom_config = dict(json_utils.loads(exec_properties.get(key) or 'null') or {})
        custom_config['vocabulary_uri'] = artifact_utils.get_single_uri(input_dict['vocabulary'])
        super().Do(input_dict, output_dict, {**exec_properties, key: json_utils.dumps(custom_config)})
