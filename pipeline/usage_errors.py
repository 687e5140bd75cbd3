"""The message for missing options and arguments: it names all of them, while click names only the first."""

from collections.abc import Sequence

import click


def missing_message(error: click.MissingParameter, arguments: Sequence[str]) -> str:
    """The message for missing options and arguments.

    Args:
        error: click's error about the first one.
        arguments: all arguments of the command line.
    """
    if error.ctx is None:
        return error.format_message()
    command_words = error.ctx.command_path.split()[1:]
    is_prefix = list(arguments[: len(command_words)]) == command_words
    command_arguments = list(arguments[len(command_words) :]) if is_prefix else []
    command = error.ctx.command
    values, *_ = command.make_parser(error.ctx).parse_args(args=command_arguments)
    missing = [
        parameter
        for parameter in command.get_params(error.ctx)
        if parameter.required and parameter.value_is_missing(parameter.consume_value(error.ctx, values)[0])
    ]
    if len(missing) < 2:
        return error.format_message()
    names = [
        parameter.opts[-1] if isinstance(parameter, click.Option) else str(parameter.human_readable_name)
        for parameter in missing
    ]
    return f'Missing: {", ".join(names)}.'
