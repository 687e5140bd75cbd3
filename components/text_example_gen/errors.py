"""What can be wrong with a user's data."""

from vaiven.errors import UserError


class DataError(UserError):
    """The data cannot be learnt from; says which rule, what came, and what to do."""


class DownloadError(UserError):
    """The default data is not in the cache and could not be fetched: no fault of the asking."""

    exit_status = 1
