"""The progress display of a run. The output of libraries goes to a log file.

TensorFlow and Beam write to the standard streams of the process from C++ and from Python. So the file descriptors are
redirected to the log file, and the display writes to a copy of the original standard output.
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
# The progress of a loop, with `text, done, total` as the arguments of a log record. For terminals only.
STEPS = logging.getLogger('vaiven.steps')

# File descriptors of the standard streams.
STDOUT, STDERR = 1, 2
_REFRESHES_PER_SECOND = 2
# Lines to a pipe are not wrapped.
_UNLIMITED_WIDTH = 1 << 16


class ProgressDisplay:
    """Prints lines. In a terminal, the last line shows the current activity, its duration and its progress."""

    def __init__(self, stream: TextIO) -> None:
        """
        Args:
            stream: where to print.
        """
        is_live = stream.isatty() and os.environ.get('TERM') != 'dumb'
        self._wraps = stream.isatty()
        self._coloured = terminal.coloured(stream)
        self._console = Console(
            file=_PipeSafeStream(stream),  # type: ignore[arg-type]  # (has the methods that rich calls)
            force_terminal=is_live,
            color_system='standard' if self._coloured else None,
            width=terminal.width() if self._wraps else _UNLIMITED_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._live = Progress(
            _ActivityColumn(),
            console=self._console,
            transient=True,
            refresh_per_second=_REFRESHES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not is_live,
        )

    def line(self, text: str = '') -> None:
        """Prints a line, wrapped between words to the width of the terminal; wrapped lines keep the indent."""
        shown = Text.from_ansi(text)
        indent = len(shown.plain) - len(shown.plain.lstrip())
        room = max(self._console.width - indent, terminal.MIN_WIDTH)
        for part in shown[indent:].wrap(self._console, room) if shown.plain else [shown]:
            part.rstrip()
            self._console.print(Text(' ' * indent) + part)

    def table(self, head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Prints a table whose last column is wrapped to the width of the terminal.

        Args:
            head: names of the columns; the second one is right-aligned.
            rows: for each row its style (`dim`, `red` or empty) and its cells.
        """
        table = Table(box=None, padding=(0, 2, 0, 0), header_style='bold', show_edge=False, pad_edge=False)
        for number, name in enumerate(head):
            table.add_column(name, justify='right' if number == 1 else 'left', no_wrap=number < len(head) - 1)
        for style, cells in rows:
            table.add_row(*map(Text, cells), style=style)
        with self._console.capture() as capture:
            self._console.print(table)
        # rich pads the last column with spaces.
        for line in capture.get().splitlines():
            self.line(line if self._coloured else line.rstrip())

    def set_activity(self, text: str | None) -> None:
        """Shows the current activity in the last line of a terminal; None removes the line."""
        for task in self._live.task_ids:
            self._live.remove_task(task)
        if text is None:
            self._live.stop()
        else:
            self._live.add_task(text, total=None)
            self._live.start()

    def set_progress(self, text: str, done: int, total: int) -> None:
        """Shows the progress of the current activity.

        Args:
            text: the loop, as `epoch 2/5`.
            done: completed steps.
            total: all steps.
        """
        for task in self._live.tasks:
            if task.fields.get('step') != text:
                self._live.update(task.id, step=text, start=time.monotonic(), first=done - 1)
            self._live.update(task.id, total=total, completed=done)

    def dim(self, text: str) -> str:
        """The text in a dim style, if the display has colours."""
        return self._styled(text, 2)

    def bold(self, text: str) -> str:
        """The text in bold, if the display has colours."""
        return self._styled(text, 1)

    def red(self, text: str) -> str:
        """The text in red, if the display has colours."""
        return self._styled(text, 31)

    def end(self) -> None:
        """Removes the activity line."""
        self.set_activity(None)

    def _styled(self, text: str, code: int) -> str:
        return f'\x1b[{code}m{text}\x1b[0m' if self._coloured else text


class _ActivityColumn(ProgressColumn):
    """The activity line: `Trainer … 12 s`, and in a loop also `epoch 2/5  30/142  about 9 s left`."""

    max_refresh = None

    def render(self, task: Task) -> Text:
        """The line of the current activity."""
        text = f'{task.description} … {task.elapsed or 0:.0f} s'
        if task.total:
            fields, done = task.fields, int(task.completed)
            text += f'  {fields["step"]}  {done}/{int(task.total)}'
            if (steps := done - fields['first']) > 0:
                left = (time.monotonic() - fields['start']) / steps * (task.total - done)
                text += f'  about {_duration(left)} left'
        return Text(text, style='dim', no_wrap=True, overflow='ellipsis')


def _duration(seconds: float) -> str:
    return f'{seconds:.0f} s' if seconds < 100 else f'{seconds / 60:.0f} min'


class _PipeSafeStream:
    """A stream that ignores a closed pipe: `vaiven run | head` must not stop a training."""

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
    def __init__(self, display: ProgressDisplay) -> None:
        super().__init__(logging.INFO)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        for line in record.getMessage().splitlines():
            self._display.line(f'        {line}')


class _StepsHandler(logging.Handler):
    def __init__(self, display: ProgressDisplay) -> None:
        super().__init__(logging.INFO)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.set_progress(*cast('tuple[str, int, int]', record.args))


@contextlib.contextmanager
def progress_display(log_path: str, shown_on: int = STDOUT) -> Iterator[ProgressDisplay]:
    """A display on a standard stream. Until the end, both standard streams are redirected to a log file.

    Args:
        log_path: path of the log file; lines are appended.
        shown_on: file descriptor of the stream, `STDOUT` or `STDERR`.

    Yields:
        The display.

    Raises:
        OSError: the log file cannot be written.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    originals = {descriptor: os.dup(descriptor) for descriptor in (STDOUT, STDERR)}
    stream = os.fdopen(os.dup(originals[shown_on]), 'w', encoding='utf-8', errors='replace')
    display = ProgressDisplay(stream)
    progress_handler, steps_handler = _ProgressHandler(display), _StepsHandler(display)
    log_handler = logging.StreamHandler(os.fdopen(os.dup(log), 'w', encoding='utf-8'))
    log_handler.setFormatter(logging.Formatter('%(asctime)s %(levelname).1s %(name)s: %(message)s'))
    root = logging.getLogger()
    previous = root.handlers[:], root.level, PROGRESS.level, STEPS.level, STEPS.propagate
    for descriptor in originals:
        os.dup2(log, descriptor)
    os.close(log)
    root.handlers[:] = [log_handler]
    root.setLevel(logging.INFO)
    PROGRESS.setLevel(logging.INFO)
    PROGRESS.addHandler(progress_handler)
    STEPS.setLevel(logging.INFO)
    STEPS.propagate = False  # many per second: not for the log
    STEPS.addHandler(steps_handler)
    try:
        yield display
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        PROGRESS.removeHandler(progress_handler)
        STEPS.removeHandler(steps_handler)
        root.handlers[:], level, progress_level, steps_level, STEPS.propagate = previous
        STEPS.setLevel(steps_level)
        root.setLevel(level)
        PROGRESS.setLevel(progress_level)
        for descriptor, original in originals.items():
            os.dup2(original, descriptor)
            os.close(original)
        display.end()
        stream.close()
        log_handler.close()
