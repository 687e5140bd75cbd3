"""The error of the table reader."""

from vaiven.serving.common.errors import ServingError


class TableError(ServingError):
    """A table cannot be read. The message gives file, line, rule and remedy."""
