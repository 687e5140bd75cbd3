"""The component that begins the pipeline."""

import glob
import os
from collections.abc import Sequence

from tfx.components.example_gen import component
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from vaiven.components.text_example_gen import driver, executor
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DATA_INPUT, UNLABELLED_INPUT, DataFiles
from vaiven.configuration import to_json


class TextExampleGen(component.FileBasedExampleGen):
    """Reads tables or running texts into tf.Examples, without duplicates, divided by a hash.

    Splits: `train`, `eval`, `test` and `unlabelled` (may be empty). Features: `text` bytes,
    `label` int64 (0 negative, 1 positive), `group`, `language` bytes and `rating` float (from -1 to 1) where there
    are such columns, `position` int64 in passages of running text.

    Example:
        files = DataFiles(('/data/reviews.csv',), unlabelled=('/data/more.txt',))
        examples = TextExampleGen(files, DataConfig(text_column='body', label_column='stars'))
        statistics = StatisticsGen(examples=examples.outputs['examples'], exclude_splits=['unlabelled'])
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.ContentDriver

    def __init__(self, files: DataFiles, config: DataConfig) -> None:
        base = _base([*files.data, *files.unlabelled])
        inputs = example_gen_pb2.Input()  # type: ignore[attr-defined]
        for name, paths in ((DATA_INPUT, files.data), (UNLABELLED_INPUT, files.unlabelled)):
            for number, path in enumerate(paths):
                # The driver takes base and pattern as patterns; a local file's own brackets are none.
                pattern = _escape(path)[len(_escape(base)) :].lstrip('/')
                inputs.splits.add(name=f'{name}-{number}', pattern=pattern)
        splits = [
            example_gen_pb2.SplitConfig.Split(name=split, hash_buckets=buckets)  # type: ignore[attr-defined]
            for split, buckets in config.buckets().items()
        ]
        super().__init__(
            input_base=_escape(base),
            input_config=inputs,
            output_config=example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits)),  # type: ignore[attr-defined]
            custom_config=executor.pack_config(to_json(config)),
        )


def _base(paths: Sequence[str]) -> str:
    """The folder that holds all files, at some depth; TFX names files by their paths below one."""
    # By characters: an address is no path.
    prefix = os.path.commonprefix(paths)  # noqa: RUF071
    folder = prefix[: prefix.rfind('/') + 1]
    if not folder:
        raise DataError(
            f'all files must lie on this machine, or all in one store. Received: {", ".join(paths)}'
        )
    return folder if folder == '/' or folder.endswith('://') else folder.rstrip('/')


def _escape(path: str) -> str:
    return path if '://' in path else glob.escape(path)
