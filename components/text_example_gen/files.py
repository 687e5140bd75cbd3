"""The files that a run reads, and their order."""

import dataclasses
import glob
import os
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.vocabulary.vectors.source import VectorsSource
from vaiven.serving.common.tables.names import COMPRESSIONS, FASTTEXT, TABLES, split_name

TEXT = '.txt'
# The option that a file was given with, also the prefix of the name of the component's input.
SourceKind = Literal['data', 'unlabelled', 'teacher']


class Source(NamedTuple):
    """One file of a run.

    Attributes:
        number: index of the file in the run, from 0: first the files of `--data`, then those of `--unlabelled`, then
            those of `--teacher`.
        path: an absolute path, or an address (`gs://…`).
        kind: the option that it was given with.
    """

    number: int
    path: str
    kind: SourceKind


@dataclasses.dataclass(frozen=True)
class DataFiles:
    """The files of a run: absolute paths, or addresses (`gs://…`), which may be patterns, that Beam can open.

    Attributes:
        data: tables, or running text (`.txt`); not both.
        unlabelled: files with further text for language modelling.
        teacher: tables of texts with the probabilities that another model gave the classes.
        vectors: pre-trained vectors of words, which the Vocabulary component reads; None for none.

    Raises:
        DataError: if the format of a file is unknown, tables and text are mixed, or a file is given twice.
    """

    data: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()
    teacher: tuple[str, ...] = ()
    vectors: VectorsSource | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for path in self.teacher:
            if data_suffix(path) in (TEXT, FASTTEXT):
                raise DataError(
                    f'{path}: a file of --teacher needs probabilities beside the texts, as .jsonl, .csv, .tsv or '
                    '.parquet; `vaiven predict --out FILE.jsonl` writes it'
                )
        for path in self.unlabelled:
            data_suffix(path)
            if path in self.data:
                raise DataError(
                    f'{path}: is given with --data and with --unlabelled; name it with one of them'
                )
        if len({data_suffix(path) == TEXT for path in self.data}) > 1:
            raise DataError(
                f'--data takes texts (.txt) or tables, not both. Received: {", ".join(self.data)}; '
                'give text beside labelled rows with --unlabelled'
            )

    @property
    def is_running_text(self) -> bool:
        """Whether the data is running text (`.txt`), which has no labels."""
        return all(data_suffix(path) == TEXT for path in self.data)

    @property
    def name(self) -> str:
        """Start of a message about all of the data: the file name, or the number of files."""
        return os.path.basename(self.data[0]) if len(self.data) == 1 else f'{len(self.data)} files'

    def sources(self) -> Iterator[Source]:
        """The files in the order in which they are read."""
        kinds: tuple[tuple[SourceKind, tuple[str, ...]], ...] = (
            ('data', self.data),
            ('unlabelled', self.unlabelled),
            ('teacher', self.teacher),
        )
        given = ((path, kind) for kind, paths in kinds for path in paths)
        for number, (path, kind) in enumerate(given):
            yield Source(number, path, kind)


def data_suffix(path: str) -> str:
    """The format of a file by its name: `.txt` or one of `names.TABLES`, without the suffix of a compression.

    Args:
        path: a path, an address or a file name.

    Raises:
        DataError: if the suffix is unknown.
    """
    suffix = split_name(path)[0]
    if suffix == TEXT or suffix in TABLES:
        return suffix
    raise DataError(
        f'{path}: a data file must be named .csv, .tsv, .jsonl, .json, .parquet, .txt, or .ft.txt (lines of fastText), '
        f'followed by {" or ".join(COMPRESSIONS)} if it is compressed (parquet never is); rename or convert it'
    )


def find_local_files(
    data: Iterable[str], unlabelled: Iterable[str] = (), teacher: Iterable[str] = ()
) -> DataFiles:
    """Expands files, folders of `.txt` files, and patterns (`books/*.txt`) on this machine.

    Args:
        data: names given with `--data`.
        unlabelled: names given with `--unlabelled`.
        teacher: names given with `--teacher`.

    Raises:
        DataError: if a pattern matches nothing, or a folder has no `.txt` file.
    """
    given = (data, '--data'), (unlabelled, '--unlabelled'), (teacher, '--teacher')
    return DataFiles(
        *(
            tuple(dict.fromkeys(path for name in names for path in _expand(name, option)))
            for names, option in given
        )
    )


def _expand(name: str, option: str) -> list[str]:
    path = os.path.abspath(name)
    if os.path.isdir(path):
        texts = [os.path.join(path, file) for file in sorted(os.listdir(path)) if _is_text(file)]
        if not texts:
            raise DataError(f'{name}: is a directory without .txt files; name the files to read')
        return texts
    if os.path.exists(path) or not glob.has_magic(name):
        return [path]
    if matching := sorted(glob.glob(path, recursive=True)):
        return matching
    raise DataError(f'{name}: no file matches this pattern; check the value of {option}')


def _is_text(name: str) -> bool:
    return not name.startswith('.') and split_name(name)[0] == TEXT


def remote_files(
    data: Iterable[str],
    unlabelled: Iterable[str] = (),
    teacher: Iterable[str] = (),
    vectors: str | None = None,
) -> DataFiles:
    """Files that only the steps of a pipeline can access.

    Args:
        data: paths and addresses given with `--data`; an address that ends in `/` stands for its `.txt` files.
        unlabelled: those given with `--unlabelled`.
        teacher: those given with `--teacher`.
        vectors: that given with `--vectors`; None for none.
    """

    def address(path: str) -> str:
        if '://' not in path:
            return os.path.abspath(path)
        return f'{path}*{TEXT}' if path.endswith('/') else path

    source = None
    if vectors is not None:
        source = VectorsSource(vectors if '://' in vectors else os.path.abspath(vectors))
    return DataFiles(*(tuple(map(address, paths)) for paths in (data, unlabelled, teacher)), vectors=source)
