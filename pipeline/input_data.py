"""Finds and checks the input files of a run."""

import dataclasses
import os
from collections.abc import Sequence
from typing import NamedTuple

from vaiven.components.evaluation.behaviour.selection import BehaviourTests
from vaiven.components.text_example_gen import default_data
from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.data_warnings import list_warnings
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles, find_local_files
from vaiven.components.text_example_gen.local_files import open_local
from vaiven.components.vocabulary.vectors.files import open_vectors
from vaiven.components.vocabulary.vectors.source import VectorsSource, hash_vectors
from vaiven.configuration import require
from vaiven.models.text.config import NEGATION_SCOPE
from vaiven.pipeline.config import Config
from vaiven.pipeline.local_addresses import require_local_path
from vaiven.serving.common.model_labels import ModelLabels


class InputData(NamedTuple):
    """The data of a run.

    Attributes:
        config: the configuration of the run, with kind and classes of the labels, and the times of a split by time.
        files: the files.
        notes: lines for the user: the counts of rows, the labels, what is dropped, and warnings.
    """

    config: Config
    files: DataFiles
    notes: list[str]


def find_data(
    data: Sequence[str],
    unlabelled: Sequence[str],
    config: Config,
    teacher: Sequence[str] = (),
    vectors: str | None = None,
) -> InputData:
    """Finds the input files and reads every row: for the classes, and to report an invalid file before a run starts.

    Args:
        data: paths or patterns of the data; empty for the default data.
        unlabelled: paths or patterns of more text for the language model. With the default data and a teacher, by
            default sentences of other domains.
        config: the configuration of the run.
        teacher: paths or patterns of files with the predictions of another model.
        vectors: path of a file or folder of pre-trained vectors; None for none. Only its beginning is checked: which of
            its words are needed is known when the words of the texts are counted.

    Raises:
        DataError: a file is not valid, or a model cannot be trained on the data.
        ServingError: the file of behavioural tests is not valid.
        VectorsError: the vectors cannot be used.
        DownloadError: the default data cannot be downloaded.
        UserError: a path is not on this machine.
    """
    data = [require_local_path(path, '--data') for path in data]
    unlabelled = [require_local_path(path, '--unlabelled') for path in unlabelled]
    teacher = [require_local_path(path, '--teacher') for path in teacher]
    if config.teacher.checkpoint and not data and not unlabelled:
        unlabelled = [default_data.other_domains()]
    files = find_local_files(data or [default_data.default_data()], unlabelled, teacher)
    require_compatible_data(files, config)
    checked = check_data(files, config.data)
    warnings = list_warnings(checked.summary, checked.config, files, checked.split_groups)
    resolved = _with_behaviour_file(_without_negations(dataclasses.replace(config, data=checked.config)))
    notes = [*checked.summary.lines(checked.remark), *warnings]
    if vectors is not None:
        require_vectors(config)
        source, note = find_vectors(require_local_path(vectors, '--vectors'))
        files = dataclasses.replace(files, vectors=source)
        notes.append(note)
    return InputData(resolved, files, notes)


def find_vectors(path: str) -> tuple[VectorsSource, str]:
    """Opens vectors on this machine, and hashes them.

    Args:
        path: of the file or folder.

    Returns:
        Their source, and a line for the user.

    Raises:
        DataError: there is no such file, or it cannot be read.
        VectorsError: it is of an unknown format.
        TableError: it cannot be decompressed.
    """
    source = VectorsSource(os.path.abspath(path))
    with open_vectors(source.path, open_local) as file:
        note = f'vectors: {source.name}, {file.size} values each'
    return source._replace(sha256=hash_vectors(source, open_local)), note


def require_vectors(config: Config) -> None:
    """Checks that the network of the configuration has embeddings that vectors can be added to.

    Args:
        config: the configuration of the run.

    Raises:
        ConfigError: it has none.
    """
    require(
        config.network.embedding_size > 0,
        '--vectors needs network.embedding_size above 0: one-hot inputs have no vectors',
        config.network.embedding_size,
    )


def _without_negations(config: Config) -> Config:
    """Marks no negated words where the labels that were found are topics: "never football" is about football."""
    marked_by_default = config.text.scope == NEGATION_SCOPE and 'negation' in config.training.augment
    if not marked_by_default or config.data.label_spec().has_opposites:
        return config
    return dataclasses.replace(config, text=dataclasses.replace(config.text, negation_scope=None))


def _with_behaviour_file(config: Config) -> Config:
    """Checks the file of behavioural tests, and makes its path absolute: a run changes its working directory."""
    file = config.evaluation.behaviour_file
    if file is None:
        return config
    path = os.path.abspath(require_local_path(file, 'evaluation.behaviour_file'))
    evaluation = dataclasses.replace(config.evaluation, behaviour_file=path)
    BehaviourTests.from_config(evaluation, ModelLabels.from_config(dataclasses.asdict(config)))
    return dataclasses.replace(config, evaluation=evaluation)


def require_compatible_data(files: DataFiles, config: Config) -> None:
    """Checks that the task of the configuration can be trained on the files.

    Args:
        files: the data.
        config: the configuration of the run.

    Raises:
        DataError: the task is sentiment, and the data has no labels; or it is another one, and there is a teacher.
    """
    if config.training.task != 'sentiment' and files.teacher:
        raise DataError(
            f'--teacher is for models with labels. Received: training.task={config.training.task}; '
            'give the text with --unlabelled'
        )
    if config.training.task == 'sentiment' and (files.is_running_text or config.data.label_column is None):
        raise DataError(
            f'{files.name}: sentiment needs labels; train only a language model with --preset novel or '
            '--set training.task=language, or give labelled rows with --data and this file with --unlabelled'
        )
