"""What the values of `--teacher` name: files with probabilities, or one encoder that makes them."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from vaiven.components.teacher.checkpoints import KNOWN
from vaiven.errors import UserError


class Teachers(NamedTuple):
    """The values of `--teacher`.

    Attributes:
        files: names of files with texts and probabilities.
        settings: those that select the encoder; none without one.
    """

    files: tuple[str, ...]
    settings: tuple[str, ...]


def read_teachers(values: Iterable[str]) -> Teachers:
    """Separates files from encoders: a name of a known checkpoint, or a folder that is one.

    Args:
        values: as given.

    Raises:
        UserError: there are several encoders.
    """
    values = tuple(values)
    encoders = [value for value in values if value in KNOWN or _is_checkpoint(value)]
    if len(encoders) > 1:
        raise UserError(
            f'--teacher takes one encoder. Received: {", ".join(encoders)}; write the scores of the others to files '
            'with `vaiven teach`'
        )
    files = tuple(value for value in values if value not in encoders)
    return Teachers(files, tuple(f'teacher.checkpoint={encoder_setting(name)}' for name in encoders))


def encoder_setting(name: str) -> str:
    """The value of `teacher.checkpoint`: the known name, or the absolute path of a folder."""
    return name if name in KNOWN else os.path.abspath(name)


def _is_checkpoint(value: str) -> bool:
    return any(os.path.isfile(os.path.join(value, name)) for name in ('config.json', 'model.onnx'))
