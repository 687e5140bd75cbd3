"""What people see of a run; what libraries say goes to a file.

TensorFlow and Beam write to the process' standard streams from C++ as well as from Python, so the streams
themselves are led to the log file, and the screen keeps copies of the ones that were there.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TextIO, cast

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.table import Table
from rich.text import Text

from vaiven.serving.common import terminal

PROGRESS = logging.getLogger('vaiven.progress')
# How far a loop is: `text, done, total` as the arguments of a record. For a terminal's last line, not for a log.
STEPS = logging.getLogger('vaiven.steps')

_DRAWS_A_SECOND = 2
# Of a pipe, which breaks no lines: whoever reads it does.
_NO_WIDTH = 1 << 16


class Screen:
    """Writes lines, and on a terminal a living last line that tells what is going on, for how long, and how far."""

    def __init__(self, stream: TextIO) -> None:
        living = stream.isatty() and os.environ.get('TERM') != 'dumb'
        self._folds = stream.isatty()
        self._coloured = terminal.coloured(stream)
        self._console = Console(
            file=_Unbroken(stream),  # type: ignore[arg-type]
            force_terminal=living,
            color_system='standard' if self._coloured else None,
            width=terminal.width() if self._folds else _NO_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._living = Progress(
            _Doing(),
            console=self._console,
            transient=True,
            refresh_per_second=_DRAWS_A_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not living,
        )

    def line(self, text: str = '') -> None:
        """One line, broken between words where the terminal is too narrow for it."""
        shown = Text.from_ansi(text)
        begin = len(shown.plain) - len(shown.plain.lstrip())
        room = max(self._console.width - begin, terminal.MIN_WIDTH)
        for part in shown[begin:].wrap(self._console, room) if shown.plain else [shown]:
            part.rstrip()
            self._console.print(Text(' ' * begin) + part)

    def table(self, head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        """A table whose last column takes what room there is.

        Args:
            head: names of the columns; the second is one of numbers.
            rows: for each how it is shown (`dim`, `red` or nothing in particular), and its cells.
        """
        table = Table(box=None, padding=(0, 2, 0, 0), header_style='bold', show_edge=False, pad_edge=False)
        for number, name in enumerate(head):
            table.add_column(name, justify='right' if number == 1 else 'left', no_wrap=number < len(head) - 1)
        for style, cells in rows:
            table.add_row(*map(Text, cells), style=style)
        with self._console.capture() as drawn:
            self._console.print(table)
        # A table fills its columns with spaces to the end.
        for line in drawn.get().splitlines():
            self.line(line if self._coloured else line.rstrip())

    def doing(self, text: str | None) -> None:
        """What is going on from now on; nothing in particular if None."""
        for task in self._living.task_ids:
            self._living.remove_task(task)
        if text is None:
            self._living.stop()
        else:
            self._living.add_task(text, total=None)
            self._living.start()

    def step(self, text: str, done: int, total: int) -> None:
        """How far what is going on has come, as `epoch 2/5`, 30 of 142."""
        for task in self._living.tasks:
            if task.fields.get('step') != text:
                self._living.update(task.id, step=text, since=time.monotonic(), begin=done - 1)
            self._living.update(task.id, total=total, completed=done)

    def dim(self, text: str) -> str:
        return self._styled(text, 2)

    def bold(self, text: str) -> str:
        return self._styled(text, 1)

    def red(self, text: str) -> str:
        return self._styled(text, 31)

    def end(self) -> None:
        self.doing(None)

    def _styled(self, text: str, code: int) -> str:
        return f'\x1b[{code}m{text}\x1b[0m' if self._coloured else text


class _Doing(ProgressColumn):
    """The living line: `Trainer … 12 s`, and of a loop `epoch 2/5  30/142  about 9 s left`."""

    max_refresh = None

    def render(self, task: Task) -> Text:
        text = f'{task.description} … {task.elapsed or 0:.0f} s'
        if task.total:
            fields, done = task.fields, int(task.completed)
            text += f'  {fields["step"]}  {done}/{int(task.total)}'
            if (behind := done - fields['begin']) > 0:
                left = (time.monotonic() - fields['since']) / behind * (task.total - done)
                text += f'  about {_duration(left)} left'
        return Text(text, style='dim', no_wrap=True, overflow='ellipsis')


def _duration(seconds: float) -> str:
    return f'{seconds:.0f} s' if seconds < 100 else f'{seconds / 60:.0f} min'


class _Unbroken:
    """A stream whose reader may go away (`vaiven run | head`): that must not end a training."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


class _ProgressHandler(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        for line in record.getMessage().splitlines():
            self._screen.line(f'        {line}')


class _StepsHandler(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.step(*cast('tuple[str, int, int]', record.args))


@contextlib.contextmanager
def screen(log_path: str) -> Iterator[Screen]:
    """A screen on what is standard output now; standard output and error are the log file until the end.

    Raises:
        OSError: if the log file cannot be written.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    kept = os.dup(1), os.dup(2)
    stream = os.fdopen(os.dup(kept[0]), 'w', encoding='utf-8', errors='replace')
    shown = Screen(stream)
    to_screen, steps = _ProgressHandler(shown), _StepsHandler(shown)
    to_log = logging.StreamHandler(os.fdopen(os.dup(log), 'w', encoding='utf-8'))
    to_log.setFormatter(logging.Formatter('%(asctime)s %(levelname).1s %(name)s: %(message)s'))
    root = logging.getLogger()
    before = root.handlers[:], root.level, PROGRESS.level, STEPS.level, STEPS.propagate
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    root.handlers[:] = [to_log]
    root.setLevel(logging.INFO)
    PROGRESS.setLevel(logging.INFO)
    PROGRESS.addHandler(to_screen)
    STEPS.setLevel(logging.INFO)
    STEPS.propagate = False  # many a second: nothing for the log
    STEPS.addHandler(steps)
    try:
        yield shown
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        PROGRESS.removeHandler(to_screen)
        STEPS.removeHandler(steps)
        root.handlers[:], level, progress_level, steps_level, STEPS.propagate = before
        STEPS.setLevel(steps_level)
        root.setLevel(level)
        PROGRESS.setLevel(progress_level)
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in kept:
            os.close(descriptor)
        shown.end()
        stream.close()
        to_log.close()
