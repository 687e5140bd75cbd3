"""The TextExampleGen component."""

import glob
import os
from collections.abc import Mapping, Sequence

from tfx.components.example_gen import component
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from vaiven.components.text_example_gen import driver, executor
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.output_names import OutputNames
from vaiven.configuration import require


class TextExampleGen(component.FileBasedExampleGen):
    """A TFX component that reads tables or running text into tf.Examples.

    It removes duplicates and assigns each row to a split by a hash of its group or text, so that the same row is always
    in the same split. Files are recognised by their content: unchanged files are taken from the cache.

    The splits are `train`, `eval`, `test` and `unlabelled` (may be empty), and `teacher` if there are files of a
    teacher: its rows have `probabilities` and no label, and none of their texts is in another split. The features are
    `text` (bytes), `label` (int64: index of the class, by default 0 negative and 1 positive; of rows with several
    labels all indices, or -2 for none of the classes) and, where the data has them, `probabilities` of the classes by
    another model (float), `group` and `language` (bytes), `rating` (float, from -1 to 1), and `position` (int64) of
    passages of running text.

    `vaiven run` finds kind and classes of the labels in the data first; `check_data` does the same.

    Example:
        files = DataFiles(('/data/reviews.csv',), unlabelled=('/data/more.txt',))
        example_gen = TextExampleGen(
            files,
            DataConfig(text_column='body', label_column='stars'),
            split_names={'eval': 'validation'},
            feature_names={'text': 'review'},
        )
        statistics_gen = StatisticsGen(examples=example_gen.outputs['examples'], exclude_splits=['unlabelled'])

    Component `outputs` contains:
        `examples`: channel of type `standard_artifacts.Examples`, gzipped TFRecords; the folder also has `ingest.json`
            with the counts of rows.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.ContentDriver

    def __init__(
        self,
        files: DataFiles,
        config: DataConfig,
        split_names: Mapping[str, str] | None = None,
        feature_names: Mapping[str, str] | None = None,
    ) -> None:
        """Constructs a TextExampleGen component.

        Args:
            files: tables or running text, and optionally files with further unlabelled text, and with the predictions
                of a teacher.
            config: columns, labels and sizes of the splits.
            split_names: default name of a split → name to write; splits that are not named keep their default name.
            feature_names: default name of a feature → name to write.

        Raises:
            ConfigError: if a split or feature is unknown, or two of them get the same name, or the classes of labels
                other than negative and positive are not named.
            DataError: if the files are not all on this machine or all in one store.
        """
        require(
            config.is_sentiment() or bool(config.classes),
            'TextExampleGen: data.classes must name the classes of data.label_kind',
            config.label_kind,
        )
        require(
            config.time_column is None or bool(config.time_boundaries),
            'TextExampleGen: a split by data.time_column needs data.time_boundaries',
            config.time_boundaries,
        )
        names = OutputNames(split_names or {}, feature_names or {})
        base = _base([*files.data, *files.unlabelled, *files.teacher])
        inputs = example_gen_pb2.Input()
        given = (('data', files.data), ('unlabelled', files.unlabelled), ('teacher', files.teacher))
        for name, paths in given:
            for number, path in enumerate(paths):
                # TFX's driver reads base and pattern as glob patterns, so brackets in local file names are escaped.
                pattern = _escape(path)[len(_escape(base)) :].lstrip('/')
                inputs.splits.add(name=f'{name}-{number}', pattern=pattern)
        splits = [
            example_gen_pb2.SplitConfig.Split(name=names.split(split), hash_buckets=buckets)
            for split, buckets in config.buckets().items()
        ]
        super().__init__(
            input_base=_escape(base),
            input_config=inputs,
            output_config=example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits)),
            custom_config=executor.pack_config(config, names),
        )


def _base(paths: Sequence[str]) -> str:
    """The deepest folder that contains all files: TFX names input files relative to one folder."""
    # `commonprefix` compares characters; `commonpath` does not accept addresses.
    prefix = os.path.commonprefix(paths)  # noqa: RUF071
    folder = prefix[: prefix.rfind('/') + 1]
    if not folder:
        raise DataError(
            f'the files must all be on this machine, or all in one store. Received: {", ".join(paths)}'
        )
    return folder if folder == '/' or folder.endswith('://') else folder.rstrip('/')


def _escape(path: str) -> str:
    return path if '://' in path else glob.escape(path)
