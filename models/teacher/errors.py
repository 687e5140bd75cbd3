"""Errors of checkpoints."""

from vaiven.errors import UserError


class CheckpointFolderError(UserError):
    """A folder is not a checkpoint that can be read."""
