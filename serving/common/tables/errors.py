"""What can be wrong with a table."""

from vaiven.serving.common.errors import ServingError


class TableError(ServingError):
    """The table cannot be read; names the file, the row, the rule, and what to do."""
