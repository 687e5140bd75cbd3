"""The base class of all errors that a user can correct."""


class UserError(Exception):
    """An error that the user can correct: one line that states the rule, what was received, and what to do.

    The command line prints the line without a traceback and exits with `exit_status`.

    Attributes:
        exit_status: 2 for a usage error or invalid input, 1 for another failure.
    """

    exit_status = 2
