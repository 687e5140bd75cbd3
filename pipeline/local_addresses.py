"""Which addresses a command on this machine takes: local paths."""

import os

from vaiven.errors import UserError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path


def require_local(value: str, option: str) -> str:
    """The path that a value names; an address of a store would become a folder of that name.

    Args:
        value: a path, or a `file://` address.
        option: where it was given, as `--root`.

    Raises:
        UserError: `value` is an address of another scheme, is empty, or has a NUL character.
    """
    if not value or '\0' in value:
        raise UserError(f'{option} takes a path. Received: {value!r}')
    try:
        return os.fspath(local_path(value, option))
    except ServingError as error:
        raise UserError(
            f'{option} takes a path on this machine. Received: {value!r}; copy the files here or mount them, or '
            'run on Kubeflow: `vaiven kubeflow compile` takes addresses'
        ) from error
