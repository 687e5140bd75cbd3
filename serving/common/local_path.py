"""Folders as people name them: a path of this machine, or a `file://` address; nothing is read over a network."""

import re
from pathlib import Path

from vaiven.serving.common.errors import ServingError

_SCHEME = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')


def local_path(text: str, what: str = 'the folder', kind: str = 'folder') -> Path:
    """The path that `text` names. `file:///models/x` is `/models/x`; it is not percent-decoded, as in TensorFlow.

    Args:
        text: a path, relative or absolute, or a `file://` address.
        what: names the value in the error, as `model reviews: base_path`.
        kind: `folder` or `file`, what the error says that it must be.

    Raises:
        ServingError: an address of another scheme (gs://, s3://, hdfs://), or of another machine.
    """
    match = _SCHEME.match(text)
    if match is None:
        return Path(text)
    scheme, place = match[1].lower(), text[match.end() :]
    if scheme == 'file' and place.removeprefix('localhost').startswith('/'):
        return Path(place.removeprefix('localhost'))
    rule = (
        f'{scheme}:// is not supported' if scheme != 'file' else 'file:// needs an absolute path, file:///…'
    )
    raise ServingError(
        f'{what} must be a {kind} of this machine: {rule}. Received: {text!r}; copy it here, or mount it'
    )
