"""Checks that options of commands on this machine are local paths."""

import os

from vaiven.errors import UserError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path


def require_local_path(value: str, option: str) -> str:
    """The local path of an option. Without this check, `gs://bucket` would become a local folder of that name.

    Args:
        value: a path, or a `file://` URL.
        option: name of the option, as `--root`.

    Raises:
        UserError: `value` is a URL of another scheme, is empty, or has a NUL character.
    """
    if not value or '\0' in value:
        raise UserError(f'{option} must be a path. Received: {value!r}')
    try:
        return os.fspath(local_path(value, option))
    except ServingError as error:
        raise UserError(
            f'{option} must be a path on this machine. Received: {value!r}; copy or mount the files here, or run the '
            'pipeline on Kubeflow: `vaiven kubeflow compile` accepts URIs'
        ) from error
