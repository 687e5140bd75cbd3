"""The executor of the TextTransform component."""

import os
import tempfile
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.transform import executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils, standard_artifacts, standard_component_specs
from tfx.utils import io_utils, json_utils

from vaiven.components.examples import PROBABILITIES_FEATURE, TEACHER_SPLIT
from vaiven.models.text.vectors import VECTORS_FILE


class Executor(executor.Executor):
    """TFX's Transform executor; adds `vocabulary_uri`, the folder with `vocab.txt`, to `custom_config`.

    The schema describes the labelled splits. With a split `teacher`, its feature `probabilities` is added.
    Pre-trained vectors of the vocabulary are copied beside the graph: they are in the order of its ids.
    """

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
        vocabulary = artifact_utils.get_single_uri(input_dict['vocabulary'])
        custom_config['vocabulary_uri'] = vocabulary
        self._transform(input_dict, output_dict, {**exec_properties, key: json_utils.dumps(custom_config)})
        vectors = os.path.join(vocabulary, VECTORS_FILE)
        if fileio.exists(vectors):
            graph = artifact_utils.get_single_uri(output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY])
            fileio.copy(vectors, os.path.join(graph, VECTORS_FILE), overwrite=True)

    def _transform(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Transforms the examples with a schema that describes the split `teacher`, too."""
        examples = input_dict[standard_component_specs.EXAMPLES_KEY]
        if TEACHER_SPLIT not in artifact_utils.decode_split_names(examples[0].split_names):
            super().Do(input_dict, output_dict, exec_properties)
            return
        with tempfile.TemporaryDirectory() as folder:
            schema = _with_probabilities(input_dict[standard_component_specs.SCHEMA_KEY], folder)
            inputs = {**input_dict, standard_component_specs.SCHEMA_KEY: [schema]}
            super().Do(inputs, output_dict, exec_properties)


def _with_probabilities(schemas: list[Artifact], folder: str) -> Artifact:
    """Writes a copy of the schema that has the feature `probabilities`."""
    path = io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(schemas))
    schema = io_utils.SchemaReader().read(path)
    if all(feature.name != PROBABILITIES_FEATURE for feature in schema.feature):
        schema.feature.add(name=PROBABILITIES_FEATURE, type=schema_pb2.FLOAT)
    io_utils.write_pbtxt_file(os.path.join(folder, os.path.basename(path)), schema)
    copy = standard_artifacts.Schema()
    copy.uri = folder
    return copy
