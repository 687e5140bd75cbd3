"""Errors of the serving commands that a user can mend; the command line prints them without a traceback."""


class ServingError(Exception):
    """One line that says which rule, what came, and what to do; `exit_status` is how a command ends."""

    exit_status = 2


class ServerStartError(ServingError):
    """The server could not start, or ended before its model was available."""

    exit_status = 1
