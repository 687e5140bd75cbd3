"""What people see of a run; what libraries say goes to a file.

TensorFlow and Beam write to the process' standard streams from C++ as well as from Python, so the streams
themselves are led to the log file, and the screen keeps copies of the ones that were there.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

PROGRESS = logging.getLogger('vaiven.progress')

_ERASE = '\r\x1b[2K'
_DIM, _BOLD, _RED, _PLAIN = '\x1b[2m', '\x1b[1m', '\x1b[31m', '\x1b[0m'
_TICK_SECONDS = 1.0


class Screen:
    """Writes lines, and on a terminal a living last line that tells what is going on and for how long."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._living = stream.isatty() and os.environ.get('TERM') != 'dumb'
        self._coloured = self._living and 'NO_COLOR' not in os.environ
        self._doing: tuple[str, float] | None = None
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        if self._living:
            threading.Thread(target=self._tick, daemon=True).start()

    def line(self, text: str = '') -> None:
        with self._mutex:
            self._write(f'{_ERASE if self._doing and self._living else ""}{text}\n')
            self._draw()

    def doing(self, text: str | None) -> None:
        """What is going on from now on; nothing in particular if None."""
        with self._mutex:
            if self._doing and self._living:
                self._write(_ERASE)
            self._doing = None if text is None else (text, time.monotonic())
            self._draw()

    def dim(self, text: str) -> str:
        return f'{_DIM}{text}{_PLAIN}' if self._coloured else text

    def bold(self, text: str) -> str:
        return f'{_BOLD}{text}{_PLAIN}' if self._coloured else text

    def red(self, text: str) -> str:
        return f'{_RED}{text}{_PLAIN}' if self._coloured else text

    def end(self) -> None:
        self.doing(None)
        self._ended.set()

    def _draw(self) -> None:
        if self._doing and self._living:
            text, since = self._doing
            self._write(f'{_ERASE}{self.dim(f"{text} … {time.monotonic() - since:.0f} s")}')

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            with self._mutex:
                self._draw()

    def _write(self, text: str) -> None:
        # A reader that has gone away (`vaiven run | head`) must not end a training.
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text)
            self._stream.flush()


class _ProgressHandler(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        for line in record.getMessage().splitlines():
            self._screen.line(f'        {line}')


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
    to_screen = _ProgressHandler(shown)
    to_log = logging.StreamHandler(os.fdopen(os.dup(log), 'w', encoding='utf-8'))
    to_log.setFormatter(logging.Formatter('%(asctime)s %(levelname).1s %(name)s: %(message)s'))
    root = logging.getLogger()
    before = root.handlers[:], root.level, PROGRESS.level
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    root.handlers[:] = [to_log]
    root.setLevel(logging.INFO)
    PROGRESS.setLevel(logging.INFO)
    PROGRESS.addHandler(to_screen)
    try:
        yield shown
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        PROGRESS.removeHandler(to_screen)
        root.handlers[:], level, progress_level = before
        root.setLevel(level)
        PROGRESS.setLevel(progress_level)
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in kept:
            os.close(descriptor)
        shown.end()
        stream.close()
        to_log.close()
