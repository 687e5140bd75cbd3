"""Opens local files."""

import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from vaiven.components.text_example_gen.errors import DataError

Opener = Callable[[str], BinaryIO]


def open_local(path: str) -> BinaryIO:
    """Opens a local file for reading.

    Args:
        path: of the file.

    Raises:
        DataError: if the path does not exist, is a folder, a pipe or a device, or cannot be read.
    """
    if not os.path.exists(path):
        raise DataError(f'{path}: there is no such file; check the path')
    if os.path.isdir(path):
        raise DataError(f'{path}: is a directory; name the files in it that are meant')
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DataError(
                f'{path}: is a pipe or a device, which can be read only once, and a run reads its files several '
                'times; write the rows to a file first'
            )
        return open(path, 'rb')
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror}); check its permissions') from error
