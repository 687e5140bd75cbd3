"""What this machine lacks and we cannot get by ourselves."""


class Missing(Exception):  # noqa: N818 (it is no error of ours)
    """One line that names what is missing and the package that has it."""
