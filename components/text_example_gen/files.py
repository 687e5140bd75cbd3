"""Which files a run reads, and in which order."""

import dataclasses
import glob
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vaiven.components.text_example_gen.errors import DataError
from vaiven.serving.common.tables.names import COMPRESSIONS, TABLES, split_name

TEXT = '.txt'
# What the names of the component's inputs begin with.
DATA_INPUT, UNLABELLED_INPUT = 'data', 'unlabelled'


class Source(NamedTuple):
    """One file.

    Attributes:
        number: of the file in the run: those of `--data`, then those of `--unlabelled`, from 0.
        path: absolute, or an address.
        more: whether it came with `--unlabelled`.
    """

    number: int
    path: str
    more: bool


@dataclasses.dataclass(frozen=True)
class DataFiles:
    """The files of a run: absolute paths, or addresses that Beam can open (`gs://…`) and that may be patterns.

    Attributes:
        data: tables, or running texts (`.txt`); not both.
        unlabelled: files with more text for the language part.

    Raises:
        DataError: where a name says nothing about what is in the file, or the files do not go together.
    """

    data: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in self.unlabelled:
            suffix_of(path)
            if path in self.data:
                raise DataError(f'{path}: comes with --data and with --unlabelled; one of them is enough')
        if len({suffix_of(path) == TEXT for path in self.data}) > 1:
            raise DataError(
                f'--data takes texts (.txt) or tables, not both. Received: {", ".join(self.data)}; '
                'text beside labelled rows comes with --unlabelled'
            )

    @property
    def are_texts(self) -> bool:
        """Whether the data is running text, which has no labels."""
        return all(suffix_of(path) == TEXT for path in self.data)

    @property
    def name(self) -> str:
        """What a message about all of the data begins with."""
        return os.path.basename(self.data[0]) if len(self.data) == 1 else f'{len(self.data)} files'

    def sources(self) -> Iterator[Source]:
        for number, path in enumerate((*self.data, *self.unlabelled)):
            yield Source(number, path, number >= len(self.data))


def suffix_of(path: str) -> str:
    """What kind of file a name promises: `.txt` or one of `names.TABLES`, be it compressed or not."""
    suffix = split_name(path)[0]
    if suffix == TEXT or suffix in TABLES:
        return suffix
    raise DataError(
        f'{path}: a data file must be named .csv, .tsv, .jsonl, .json, .parquet, .txt, or .ft.txt (lines of fastText), '
        f'with {" or ".join(COMPRESSIONS)} after that where it is compressed (parquet never is); rename or convert it'
    )


def found(data: Iterable[str], unlabelled: Iterable[str] = ()) -> DataFiles:
    """The files of this machine that are meant: files, folders of `.txt` files, and patterns (`books/*.txt`).

    Raises:
        DataError: where nothing is found.
    """
    return DataFiles(
        tuple(dict.fromkeys(path for name in data for path in _expand(name, '--data'))),
        tuple(dict.fromkeys(path for name in unlabelled for path in _expand(name, '--unlabelled'))),
    )


def _expand(name: str, option: str) -> list[str]:
    path = os.path.abspath(name)
    if os.path.isdir(path):
        texts = [os.path.join(path, file) for file in sorted(os.listdir(path)) if _is_text(file)]
        if not texts:
            raise DataError(f'{name}: is a directory without .txt files; name the files that are meant')
        return texts
    if os.path.exists(path) or not glob.has_magic(name):
        return [path]
    if matching := sorted(glob.glob(path, recursive=True)):
        return matching
    raise DataError(f'{name}: no file fits this pattern; check what is given with {option}')


def _is_text(name: str) -> bool:
    return not name.startswith('.') and split_name(name)[0] == TEXT


def addressed(data: Iterable[str], unlabelled: Iterable[str] = ()) -> DataFiles:
    """Files that only the steps of a pipeline can see. An address that ends in `/` means the `.txt` files there."""

    def address(path: str) -> str:
        if '://' not in path:
            return os.path.abspath(path)
        return f'{path}*{TEXT}' if path.endswith('/') else path

    return DataFiles(tuple(map(address, data)), tuple(map(address, unlabelled)))
