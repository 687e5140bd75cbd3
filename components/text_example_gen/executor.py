"""Runs the Beam pipeline that turns files into examples."""

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
from vaiven.components.text_example_gen.data_warnings import warnings_of
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import UNLABELLED_INPUT, DataFiles, Source
from vaiven.components.text_example_gen.rows import SPLITS
from vaiven.components.text_example_gen.summary import Summary, require_learnable
from vaiven.configuration import from_json

logger = logging.getLogger(__name__)

SUMMARY_FILE = 'ingest.json'
_ERROR_FILE = 'error.txt'

# About what one worker sorts in memory.
_SHARD_BYTES = 64 * 1024 * 1024


def pack_config(config_json: str) -> example_gen_pb2.CustomConfig:  # type: ignore[name-defined]
    custom = example_gen_pb2.CustomConfig()  # type: ignore[attr-defined]
    custom.custom_config.Pack(json_format.ParseDict({'config': config_json}, struct_pb2.Struct()))
    return custom


def unpack_config(custom_config: str) -> DataConfig:
    """The configuration from the execution property `custom_config`, a JSON message CustomConfig."""
    custom = json_format.Parse(custom_config, example_gen_pb2.CustomConfig())  # type: ignore[attr-defined]
    struct = struct_pb2.Struct()
    custom.custom_config.Unpack(struct)
    return from_json(DataConfig, str(struct['config']))


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes `Split-<name>/data_tfrecord-*.gz` and `ingest.json` below the artifact's address."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Raises DataError for files that cannot be learnt from."""
        self._log_startup(input_dict, output_dict, exec_properties)
        config = unpack_config(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        files, size = find_files(exec_properties)
        fileio.makedirs(examples.uri)

        with self._make_beam_pipeline() as pipeline:
            ingest(pipeline, files, examples.uri, config, shards=1 + size // _SHARD_BYTES)

        error_file = os.path.join(examples.uri, _ERROR_FILE)
        if fileio.exists(error_file):
            raise DataError(_read(error_file))
        summary = Summary.from_json(_read(os.path.join(examples.uri, SUMMARY_FILE)))
        require_learnable(summary, config, files)
        for line in summary.lines():
            logger.info(line)
        for line in warnings_of(summary, config, files):
            logger.warning(line)

        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)  # type: ignore[attr-defined]
        examples_utils.set_file_format(examples, 'tfrecords_gzip')
        for name in ('rows', 'empty', 'duplicates', 'conflicting', 'unlabelled'):
            examples.set_int_custom_property(name, getattr(summary, name))
        examples.set_string_custom_property('summary', summary.line())


def ingest(pipeline: beam.Pipeline, files: DataFiles, uri: str, config: DataConfig, shards: int) -> None:
    """Adds the steps that read `files` and write below `uri`."""
    read = (
        pipeline
        | 'Files' >> beam.Create(list(files.sources())).with_output_types(Source)
        # A worker each, where there are many.
        | 'Spread' >> beam.Reshuffle()
        | 'ReadRows'
        >> beam.ParDo(transforms.ReadRows(config)).with_outputs(
            transforms.ReadRows.COUNTS, transforms.ReadRows.COLUMNS, transforms.ReadRows.ERRORS, main='rows'
        )
    )
    kept = read.rows | 'RemoveDuplicates' >> transforms.RemoveDuplicates(config, bool(files.unlabelled))
    _ = kept | 'WriteSplits' >> writing.WriteSplits(uri, config, shards)
    counts = kept | 'CountKept' >> beam.Map(transforms.count_kept, config).with_output_types(
        transforms.Counts
    )
    _ = (
        (read[transforms.ReadRows.COUNTS], counts)
        | 'AllCounts' >> beam.Flatten()
        | 'AddCounts' >> beam.CombineGlobally(transforms.AddCountsFn())
        | 'ToSummary'
        >> beam.Map(
            lambda counts, columns: transforms.to_summary(counts, columns).to_json(),
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


def find_files(exec_properties: dict[str, Any]) -> tuple[DataFiles, int]:
    """The files, and the bytes that they have together."""
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    inputs = json_format.Parse(
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY],
        example_gen_pb2.Input(),  # type: ignore[attr-defined]
    )
    found: dict[bool, list[str]] = {False: [], True: []}
    size = 0
    for split in inputs.splits:
        pattern = os.path.join(base, split.pattern)
        matching = FileSystems.match([pattern])[0].metadata_list
        if not matching:
            raise DataError(
                f'{pattern}: there is no such file; check what is given with --data and --unlabelled'
            )
        found[split.name.startswith(UNLABELLED_INPUT)] += sorted(file.path for file in matching)
        size += sum(file.size_in_bytes for file in matching)
    return DataFiles(tuple(found[False]), tuple(found[True])), size


def _write(text: str, path: str) -> None:
    with fileio.open(path, 'w') as file:
        file.write(text)


def _read(path: str) -> str:
    with fileio.open(path, 'r') as file:
        return str(file.read())
