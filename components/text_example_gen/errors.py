"""Errors in a user's data."""

from vaiven.errors import UserError


class DataError(UserError):
    """A model cannot be trained on the data; the message gives the rule, what was received, and the remedy."""


class DownloadError(UserError):
    """A package is not in the cache and cannot be downloaded; the command was correct, so the exit status is 1."""

    exit_status = 1
