"""The command `vaiven`: a table of subcommands, each imported only when it is asked for.

`vaiven predict` must answer in well under a second, so nothing here may import TensorFlow, gRPC or numpy.
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

from vaiven.pipeline.interruption import Terminated

COMMANDS = {
    'run': ('vaiven.pipeline.commands.run:run', 'Train, validate, push and show a model.'),
    'plan': ('vaiven.pipeline.commands.plan:plan', 'Show what a run would do, without doing it.'),
    'prune': ('vaiven.pipeline.commands.prune:prune', 'Remove artifacts that nothing needs.'),
    'serve': ('vaiven.serving.commands.serve:serve', 'Serve a pushed model over gRPC and REST.'),
    'predict': ('vaiven.serving.commands.predict:predict', 'Ask a server for the sentiment of texts.'),
    'next': ('vaiven.serving.commands.next_word:next_word', 'Ask a server for the words that come next.'),
    'generate': ('vaiven.serving.commands.generate:generate', 'Have a server write on after a text.'),
    'rollout': ('vaiven.serving.commands.rollout:rollout', 'Show, promote or roll back served versions.'),
    'export': ('vaiven.serving.commands.export:export', 'Write the rows of a split as a table.'),
    'gateway': ('vaiven.serving.commands.gateway:gateway', 'Split the traffic of callers that cannot.'),
    'kubeflow': ('vaiven.pipeline.commands.kubeflow:kubeflow', 'Write the pipeline for Kubeflow.'),
    'lecture': ('vaiven.pipeline.commands.lecture:lecture', 'Make a page for teaching recurrent networks.'),
    'doctor': ('vaiven.pipeline.commands.doctor:doctor', 'Say what this machine has and what it lacks.'),
}

# Of the distribution: what a command needs beside the client, where that is not all of the pipeline.
EXTRAS = {'serve': 'server', 'gateway': 'gateway', 'lecture': 'lecture'}

# Set before any library is loaded, so that nothing but our own lines reaches a terminal.
QUIET = {'TF_CPP_MIN_LOG_LEVEL': '3', 'GRPC_VERBOSITY': 'NONE', 'GRPC_ENABLE_FORK_SUPPORT': 'false'}


class LazyGroup(click.Group):
    """A click group over `COMMANDS`; its help needs none of the modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(':')
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith('-'):
            ctx.fail(f'there is no command {args[0]!r}; there are: {", ".join(COMMANDS)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section('Commands'):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
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
    callback=show_version,
    help='The version.',
)
def vaiven() -> None:
    """A small, fast, private text model: trained, checked, served and rolled out.

    \b
    Examples:
      vaiven run                        train on film reviews, push, serve, ask
      vaiven serve --background         serve the newest pushed model
      vaiven predict "What a film!"     ask it
      vaiven doctor                     what this machine has and lacks
    """


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit status; says what went wrong in one line on stderr."""
    try:
        with vaiven.make_context('vaiven', list(arguments)) as context:
            from vaiven.serving.common.terminal import colour_choice

            context.color = colour_choice()
            answer = vaiven.invoke(context)
            sys.stdout.flush()
        return answer if isinstance(answer, int) and not isinstance(answer, bool) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except click.MissingParameter as error:
        from vaiven.pipeline import usage_errors

        path = error.ctx.command_path if error.ctx else 'vaiven'
        return complain(f'{usage_errors.missing(error, arguments)} (see `{path} --help`)', error.exit_code)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else 'vaiven'
        return complain(f'{error.format_message()} (see `{path} --help`)', error.exit_code)
    except click.ClickException as error:
        return complain(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except Terminated:
        return 143
    except SystemExit as end:
        if isinstance(end.code, str):
            return complain(end.code, 1)
        return end.code or 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            # Whoever read our output has gone, as in `vaiven predict … | head`: nothing to tell anybody.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        if isinstance(error, ModuleNotFoundError) and (error.name or 'vaiven').split('.')[0] != 'vaiven':
            show_traceback_if_debugging()
            return complain(
                f'the Python module {error.name!r} is not installed, and this needs it: '
                f"make env, or pip install 'vaiven[{EXTRAS.get(arguments[0], 'pipeline')}]'",
                1,
            )
        status = getattr(error, 'exit_status', None)
        if isinstance(status, int):
            show_traceback_if_debugging()
            return complain(str(error), status)
        return unexpected(error)


def complain(message: str, status: int) -> int:
    from vaiven.serving.common.terminal import folded

    print(folded(f'vaiven: {message}', sys.stderr), file=sys.stderr, flush=True)
    return status


def show_traceback_if_debugging() -> bool:
    debugging = os.environ.get('VAIVEN_DEBUG', '') not in ('', '0')
    if debugging:
        traceback.print_exc()
    return debugging


def unexpected(error: Exception) -> int:
    """A fault of ours: one line here, the traceback in a file (or here with `VAIVEN_DEBUG=1`)."""
    first_line = (str(error).strip().splitlines() or ['(no message)'])[0]
    where = 'the traceback is above'
    if not show_traceback_if_debugging():
        try:
            with tempfile.NamedTemporaryFile(
                'w', prefix='vaiven-', suffix='.traceback', delete=False
            ) as file:
                traceback.print_exc(file=file)
            where = f'the traceback is in {file.name}'
        except OSError:
            where = 'set VAIVEN_DEBUG=1 to see the traceback'
    return complain(f'unexpected {type(error).__name__}: {first_line} ({where})', 1)


def terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def main() -> int:
    """The console script."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if '_VAIVEN_COMPLETE' in os.environ:  # a shell asks for completions
        vaiven.main(prog_name='vaiven')
    signal.signal(signal.SIGTERM, terminate)
    status = run(sys.argv[1:])
    if 'tensorflow' in sys.modules:
        # A process that ran a TensorFlow Transform analysis crashes (139) when the interpreter shuts down.
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)
    return status


if __name__ == '__main__':
    sys.exit(main())
