"""The error for a requirement that this machine does not meet."""


class MissingRequirement(Exception):  # noqa: N818 (it is a finding about the machine, not a fault)
    """The machine lacks something that must be installed first. The message is one line with the remedy."""
