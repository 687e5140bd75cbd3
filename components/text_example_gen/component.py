"""The component that begins the pipeline."""

import glob
import os

from tfx.components.example_gen import component, utils
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from vaiven.components.text_example_gen import driver, executor
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.models.configuration import to_json


class TextExampleGen(component.FileBasedExampleGen):
    """Reads one csv or tsv file into tf.Examples, without duplicates, divided by a hash.

    Splits: `train`, `eval`, `test` (labelled) and `unlabelled` (may be empty). Features: `text` bytes,
    `label` int64 (0 negative, 1 positive), `group`, `language` bytes and `rating` float (from -1 to 1) where there
    are such columns, `position` int64 in passages of running text.

    Example:
        examples = TextExampleGen('reviews.csv', DataConfig(text_column='body', label_column='stars'))
        statistics = StatisticsGen(examples=examples.outputs['examples'], exclude_splits=['unlabelled'])
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.ContentDriver

    def __init__(self, path: str, config: DataConfig) -> None:
        """Takes the `path` of a file, local or an address that Beam can open (`gs://…`)."""
        if '://' not in path:
            path = os.path.abspath(path)
        base, name = os.path.split(path)
        splits = [
            example_gen_pb2.SplitConfig.Split(name=split, hash_buckets=buckets)  # type: ignore[attr-defined]
            for split, buckets in config.buckets().items()
        ]
        super().__init__(
            # The driver takes both as patterns; a file's own brackets are no pattern.
            input_base=glob.escape(base),
            input_config=utils.make_default_input_config(glob.escape(name)),
            output_config=example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits)),  # type: ignore[attr-defined]
            custom_config=executor.pack_config(to_json(config)),
        )
