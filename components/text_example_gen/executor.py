"""The executor of the TextExampleGen component: runs the Beam pipeline that turns files into examples."""

import json
import logging
import os
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from google.protobuf import json_format, struct_pb2
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils, standard_component_specs

from vaiven.components.text_example_gen import transforms, writing
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.data_warnings import list_warnings
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles, Source
from vaiven.components.text_example_gen.learnable import require_learnable
from vaiven.components.text_example_gen.output_names import OutputNames
from vaiven.components.text_example_gen.rows import SPLITS, TEACHER_SPLIT
from vaiven.components.text_example_gen.summary import Summary
from vaiven.configuration import from_json, to_json

logger = logging.getLogger(__name__)

SUMMARY_FILE = 'ingest.json'
_ERROR_FILE = 'error.txt'

# Size of the input per shard: a worker sorts one shard in memory.
_SHARD_BYTES = 64 * 1024 * 1024


def pack_config(config: DataConfig, names: OutputNames) -> example_gen_pb2.CustomConfig:
    """The configuration as the execution parameter `custom_config`.

    Args:
        config: columns, labels and sizes of the splits.
        names: names of the splits and features.
    """
    values: dict[str, Any] = {'config': to_json(config)}
    # Default names stay out, so that executions cached without them are still found.
    if names != OutputNames():
        values['names'] = to_json(names)
    custom = example_gen_pb2.CustomConfig()
    custom.custom_config.Pack(json_format.ParseDict(values, struct_pb2.Struct()))
    return custom


def unpack_config(custom_config: str) -> tuple[DataConfig, OutputNames]:
    """The configuration from the execution parameter `custom_config`.

    Args:
        custom_config: a CustomConfig message as JSON.
    """
    custom = json_format.Parse(custom_config, example_gen_pb2.CustomConfig())
    struct = struct_pb2.Struct()
    custom.custom_config.Unpack(struct)
    names = json.loads(str(struct['names'])) if 'names' in struct else {}
    return from_json(DataConfig, str(struct['config'])), OutputNames(**names)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes `Split-<name>/data_tfrecord-*.gz` and `ingest.json` to the folder of the artifact."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads the files, removes duplicates, and writes the splits.

        Args:
            input_dict: empty.
            output_dict: `examples`.
            exec_properties: those of TFX's FileBasedExampleGen; `custom_config` holds the configuration.

        Raises:
            DataError: if a file cannot be read, or a model cannot be trained on the data.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config, names = unpack_config(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        files, size = find_files(exec_properties)
        fileio.makedirs(examples.uri)

        with self._make_beam_pipeline() as pipeline:
            ingest(pipeline, files, examples.uri, config, names, shards=1 + size // _SHARD_BYTES)

        error_file = os.path.join(examples.uri, _ERROR_FILE)
        if fileio.exists(error_file):
            raise DataError(_read(error_file))
        summary = Summary.from_json(_read(os.path.join(examples.uri, SUMMARY_FILE)))
        require_learnable(summary, config, files)
        for line in summary.lines():
            logger.info(line)
        for line in list_warnings(summary, config, files):
            logger.warning(line)

        examples.split_names = artifact_utils.encode_split_names(
            [names.split(split) for split in _splits(files)]
        )
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, 'tfrecords_gzip')
        for name in ('rows', 'empty', 'duplicates', 'conflicting', 'unlabelled'):
            examples.set_int_custom_property(name, getattr(summary, name))
        if files.teacher:
            examples.set_int_custom_property('teacher', summary.teacher.get('kept', 0))
        examples.set_string_custom_property('summary', summary.line())


def ingest(
    pipeline: beam.Pipeline, files: DataFiles, uri: str, config: DataConfig, names: OutputNames, shards: int
) -> None:
    """Adds the steps that read files and write examples.

    Args:
        pipeline: gets the steps.
        files: the files to read.
        uri: folder of the artifact.
        config: columns, labels and sizes of the splits.
        names: names of the splits and features.
        shards: number of files per split.
    """
    read = (
        pipeline
        | 'Files' >> beam.Create(list(files.sources())).with_output_types(Source)
        # Breaks fusion, so that many files are read by many workers.
        | 'Spread' >> beam.Reshuffle()
        | 'ReadRows'
        >> beam.ParDo(transforms.ReadRows(config)).with_outputs(
            transforms.ReadRows.COUNTS, transforms.ReadRows.COLUMNS, transforms.ReadRows.ERRORS, main='rows'
        )
    )
    kept = read.rows | 'RemoveDuplicates' >> transforms.RemoveDuplicates(
        config, bool(files.unlabelled or files.teacher)
    )
    _ = kept | 'WriteSplits' >> writing.WriteSplits(uri, config, names, shards, _splits(files))
    counts = kept | 'CountRows' >> beam.Map(transforms.count_row, config).with_output_types(transforms.Counts)
    _ = (
        (read[transforms.ReadRows.COUNTS], counts)
        | 'AllCounts' >> beam.Flatten()
        | 'AddCounts' >> beam.CombineGlobally(transforms.AddCountsFn())
        | 'ToSummary'
        >> beam.Map(
            lambda counts, columns: transforms.to_summary(counts, columns, config.label_spec()).to_json(),
            beam.pvalue.AsIter(read[transforms.ReadRows.COLUMNS]),
        )
        | 'WriteSummary' >> beam.Map(_write, os.path.join(uri, SUMMARY_FILE))
    )
    _ = (
        read[transforms.ReadRows.ERRORS]
        | 'Errors' >> beam.combiners.Top.Smallest(1)
        | 'FirstError' >> beam.FlatMap(lambda errors: [message for _, message in errors])
        | 'WriteError' >> beam.Map(_write, os.path.join(uri, _ERROR_FILE))
    )


def _splits(files: DataFiles) -> tuple[str, ...]:
    return (*SPLITS, TEACHER_SPLIT) if files.teacher else SPLITS


def find_files(exec_properties: dict[str, Any]) -> tuple[DataFiles, int]:
    """Finds the input files.

    Args:
        exec_properties: those of TFX's FileBasedExampleGen.

    Returns:
        The files, and their total size in bytes.

    Raises:
        DataError: if a pattern matches nothing.
    """
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    inputs = json_format.Parse(
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY],
        example_gen_pb2.Input(),
    )
    paths: dict[str, list[str]] = {'data': [], 'unlabelled': [], 'teacher': []}
    size = 0
    for split in inputs.splits:
        pattern = os.path.join(base, split.pattern)
        matches = FileSystems.match([pattern])[0].metadata_list
        if not matches:
            raise DataError(
                f'{pattern}: no such file; check the values of --data, --unlabelled and --teacher'
            )
        paths[split.name.rpartition('-')[0]] += sorted(file.path for file in matches)
        size += sum(file.size_in_bytes for file in matches)
    return DataFiles(*map(tuple, paths.values())), size


def _write(text: str, path: str) -> None:
    with fileio.open(path, 'w') as file:
        file.write(text)


def _read(path: str) -> str:
    with fileio.open(path, 'r') as file:
        return str(file.read())
