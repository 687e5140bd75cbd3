"""How a run ends that somebody stops: with Ctrl-C, or with SIGTERM as service managers do."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from vaiven.errors import UserError

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM, as an exception: context managers get to stop the processes that they started."""


class StoppedError(UserError):
    """The run was stopped from outside; the message says where, and how it is resumed.

    Attributes:
        exit_status: that of a process that ended by the signal, as shells count.
    """

    def __init__(self, component: str | None, exit_status: int) -> None:
        place = f'in {component}' if component else 'before the first component'
        then = 'resumes there' if component else 'starts it again'
        super().__init__(f'stopped {place}; the same command {then}')
        self.exit_status = exit_status


class Signals:
    """The signals that came in.

    Attributes:
        exit_status: 130 after Ctrl-C, 143 after SIGTERM, else None. Libraries that call back into Python turn the
            exception of a signal into an error of their own, so it is noted here as well.
    """

    exit_status: int | None = None


@contextlib.contextmanager
def noted() -> Iterator[Signals]:
    """Notes SIGINT and SIGTERM, and leaves them to whoever handled them before."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        signals.exit_status = 128 + number
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler != signal.SIG_IGN:
            raise Terminated

    ignored = {number for number, handler in before.items() if handler == signal.SIG_IGN}
    for number in before.keys() - ignored:
        signal.signal(number, note)
    try:
        yield signals
    finally:
        for number in before.keys() - ignored:
            signal.signal(number, before[number] or signal.SIG_DFL)
