"""Stopping a run with Ctrl-C (SIGINT), or with SIGTERM as service managers do."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from vaiven.errors import UserError

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM as an exception, so that context managers stop the processes that they started."""


class StoppedError(UserError):
    """A signal stopped the run. The message says in which component, and how to resume.

    Attributes:
        exit_status: 128 + the number of the signal, as in a shell.
    """

    def __init__(self, component: str | None, exit_status: int) -> None:
        """
        Args:
            component: id of the running component; None before the first one.
            exit_status: 128 + the number of the signal.
        """
        place = f'in {component}' if component else 'before the first component'
        then = 'resumes there' if component else 'starts it again'
        super().__init__(f'stopped {place}; the same command {then}')
        self.exit_status = exit_status


class RecordedSignals:
    """The signals that arrived.

    Attributes:
        exit_status: 130 after SIGINT, 143 after SIGTERM, else None. The exception of a signal is not enough, because
            libraries that call back into Python replace it by another one.
    """

    exit_status: int | None = None


@contextlib.contextmanager
def record_signals() -> Iterator[RecordedSignals]:
    """Records SIGINT and SIGTERM, and then calls the previous handlers. Does nothing outside of the main thread."""
    signals = RecordedSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def record(number: int, frame: FrameType | None) -> None:
        signals.exit_status = 128 + number
        handler = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler != signal.SIG_IGN:
            raise Terminated

    ignored = {number for number, handler in previous.items() if handler == signal.SIG_IGN}
    for number in previous.keys() - ignored:
        signal.signal(number, record)
    try:
        yield signals
    finally:
        for number in previous.keys() - ignored:
            signal.signal(number, previous[number] or signal.SIG_DFL)
