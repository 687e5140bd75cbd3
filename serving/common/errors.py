"""Errors of the serving commands that a user can correct."""

from vaiven.errors import UserError


class ServingError(UserError):
    """One line that says which rule, what came, and what to do."""


class ServerStartError(ServingError):
    """The server could not start, or ended before its model was available."""

    exit_status = 1
