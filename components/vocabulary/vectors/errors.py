"""Errors in a file of vectors."""

from vaiven.errors import UserError


class VectorsError(UserError):
    """A file of vectors cannot be used; the message gives the file, the rule, what was received, and the remedy."""
