"""What is missing of a command's options and arguments: all at once, where click tells the first alone."""

from collections.abc import Sequence

import click


def missing(error: click.MissingParameter, arguments: Sequence[str]) -> str:
    """The line for a command that lacks something.

    Args:
        error: what click says of the first.
        arguments: all that the command line got.
    """
    if error.ctx is None:
        return error.format_message()
    names = error.ctx.command_path.split()[1:]
    own = arguments[len(names) :] if list(arguments[: len(names)]) == names else []
    command = error.ctx.command
    given, *_ = command.make_parser(error.ctx).parse_args(args=list(own))
    lacking = [
        parameter
        for parameter in command.get_params(error.ctx)
        if parameter.required and parameter.value_is_missing(parameter.consume_value(error.ctx, given)[0])
    ]
    if len(lacking) < 2:
        return error.format_message()
    names_of = [
        parameter.opts[-1] if isinstance(parameter, click.Option) else str(parameter.human_readable_name)
        for parameter in lacking
    ]
    return f'Missing: {", ".join(names_of)}.'
