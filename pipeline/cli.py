"""The command `vaiven`: a table of subcommands. The module of a subcommand is imported when it runs.

`vaiven predict` must start in well under a second, so this module must not import TensorFlow, gRPC or numpy.
"""

import contextlib
import errno
import importlib
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from types import FrameType

import click

from vaiven.errors import UserError
from vaiven.pipeline.interruption import Terminated

COMMANDS = {
    'run': ('vaiven.pipeline.commands.run:run', 'Train, evaluate and push a model.'),
    'init': ('vaiven.pipeline.commands.init:init', 'Write a commented file of settings.'),
    'plan': ('vaiven.pipeline.commands.plan:plan', 'Show the settings and the steps of a run.'),
    'prune': ('vaiven.pipeline.commands.prune:prune', 'Remove artifacts that are no longer needed.'),
    'serve': ('vaiven.serving.commands.serve:serve', 'Serve a model over gRPC and REST.'),
    'predict': ('vaiven.serving.commands.predict:predict', 'Predict the labels of texts.'),
    'teach': ('vaiven.pipeline.commands.teach:teach', 'Score text with a fine-tuned encoder.'),
    'evaluate': ('vaiven.serving.commands.evaluate:evaluate', 'Measure a model on labelled rows.'),
    'calibrate': (
        'vaiven.pipeline.commands.calibrate:calibrate',
        'Fit the probabilities of a model to labelled rows.',
    ),
    'next': ('vaiven.serving.commands.next_word:next_word', 'Predict the next word of texts.'),
    'generate': ('vaiven.serving.commands.generate:generate', 'Generate continuations of texts.'),
    'score': ('vaiven.pipeline.commands.score:score', 'Measure how well a model predicts texts.'),
    'rollout': ('vaiven.serving.commands.rollout:rollout', 'Show, promote or roll back versions.'),
    'export': ('vaiven.serving.commands.export:export', 'Write the rows of a split to a table.'),
    'gateway': ('vaiven.serving.commands.gateway:gateway', 'Split traffic between versions.'),
    'kubeflow': ('vaiven.pipeline.commands.kubeflow:kubeflow', 'Compile the pipeline for Kubeflow.'),
    'lecture': ('vaiven.pipeline.commands.lecture:lecture', 'Create a page for teaching recurrent networks.'),
    'doctor': ('vaiven.pipeline.commands.doctor:doctor', 'Check whether this machine can run vaiven.'),
}

# The extra of the distribution that a command needs; `pipeline` for the others.
EXTRAS = {'serve': 'server', 'evaluate': 'evaluation', 'gateway': 'gateway', 'lecture': 'lecture'}

# Set before any library is loaded, so that libraries do not print to the terminal.
QUIET_ENVIRONMENT = {
    'TF_CPP_MIN_LOG_LEVEL': '3',
    'GRPC_VERBOSITY': 'NONE',
    'GRPC_ENABLE_FORK_SUPPORT': 'false',
}


class LazyGroup(click.Group):
    """A click group over `COMMANDS`. Its help does not import their modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(':')
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command of the arguments. Fails with the names of all commands."""
        if args and args[0] not in COMMANDS and not args[0].startswith('-'):
            ctx.fail(f'there is no command {args[0]!r}; choose one of: {", ".join(COMMANDS)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table of commands."""
        with formatter.section('Commands'):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Prints the version and exits, for the eager option `--version`."""
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f'vaiven {version("vaiven")}')
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={'help_option_names': ['-h', '--help']})
@click.option(
    '-V',
    '--version',
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help='Show the version and exit.',
)
def vaiven() -> None:
    """Train, evaluate, serve and roll out small text models.

    \b
    Examples:
      vaiven run                        train a model on film reviews and push it
      vaiven serve --background         serve the last pushed model
      vaiven predict "What a film!"     predict the sentiment of a text
      vaiven doctor                     check whether this machine can run vaiven
    """


def run(arguments: Sequence[str]) -> int:
    """Runs a command. Errors are printed on standard error, as one line.

    Args:
        arguments: the command line, without the name of the program.

    Returns:
        The exit status: 0, 1 for a failure, 2 for a usage error, or 128 + the number of a signal.
    """
    try:
        with vaiven.make_context('vaiven', list(arguments)) as context:
            from vaiven.serving.common.terminal import colour_choice

            context.color = colour_choice()
            status = vaiven.invoke(context)
            sys.stdout.flush()
        return status if isinstance(status, int) and not isinstance(status, bool) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except click.MissingParameter as error:
        from vaiven.pipeline import usage_errors

        path = error.ctx.command_path if error.ctx else 'vaiven'
        return print_error(
            f'{usage_errors.missing_message(error, arguments)} (see `{path} --help`)', error.exit_code
        )
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else 'vaiven'
        return print_error(f'{error.format_message()} (see `{path} --help`)', error.exit_code)
    except click.ClickException as error:
        return print_error(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except Terminated:
        return 143
    except SystemExit as end:
        if isinstance(end.code, str):
            return print_error(end.code, 1)
        return end.code or 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            # The reader of the output has closed the pipe, as in `vaiven predict … | head`.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        if isinstance(error, ModuleNotFoundError) and (error.name or 'vaiven').split('.')[0] != 'vaiven':
            show_traceback_if_debugging()
            return print_error(
                f'the Python module {error.name!r} is not installed: '
                f"run make env, or pip install 'vaiven[{EXTRAS.get(arguments[0], 'pipeline')}]'",
                1,
            )
        if isinstance(error, UserError):
            show_traceback_if_debugging()
            return print_error(str(error), error.exit_status)
        return print_unexpected_error(error)


def print_error(message: str, status: int) -> int:
    """Prints a message on standard error, wrapped to the width of the terminal; returns `status`."""
    from vaiven.serving.common.terminal import folded

    print(folded(f'vaiven: {message}', sys.stderr), file=sys.stderr, flush=True)
    return status


def show_traceback_if_debugging() -> bool:
    """Prints the traceback of the current exception if `VAIVEN_DEBUG` is set; returns whether it is."""
    debugging = os.environ.get('VAIVEN_DEBUG', '') not in ('', '0')
    if debugging:
        traceback.print_exc()
    return debugging


def print_unexpected_error(error: Exception) -> int:
    """Prints an unexpected error as one line, with the traceback in a file; returns the exit status 1."""
    first_line = (str(error).strip().splitlines() or ['(no message)'])[0]
    traceback_note = 'the traceback is above'
    if not show_traceback_if_debugging():
        try:
            with tempfile.NamedTemporaryFile(
                'w', prefix='vaiven-', suffix='.traceback', delete=False
            ) as file:
                traceback.print_exc(file=file)
            traceback_note = f'the traceback is in {file.name}'
        except OSError:
            traceback_note = 'set VAIVEN_DEBUG=1 to see the traceback'
    return print_error(f'unexpected {type(error).__name__}: {first_line} ({traceback_note})', 1)


def terminate(number: int, frame: FrameType | None) -> None:
    """Signal handler of SIGTERM: raises `Terminated`."""
    raise Terminated


def main() -> int:
    """Entry point of the console script; returns the exit status."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if '_VAIVEN_COMPLETE' in os.environ:  # a shell requests completions
        vaiven.main(prog_name='vaiven')
    signal.signal(signal.SIGTERM, terminate)
    status = run(sys.argv[1:])
    if 'tensorflow' in sys.modules:
        # After a TensorFlow Transform analysis, the interpreter crashes at shutdown (exit status 139).
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)
    return status


if __name__ == '__main__':
    sys.exit(main())
