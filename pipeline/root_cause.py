"""The cause of an error, in one line."""

import errno
import re

from vaiven.errors import UserError

_WHILE_RUNNING = re.compile(r"\s*\[while running '[^']*'\]\s*$")
_ERROR_LINE = re.compile(r'^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*(?:Error|Exception|Interrupt|Exit))(?:: (.*))?$')
# The text of SQLite in errors of ML Metadata, and of the system in errors of TensorFlow or a Beam worker.
_FULL = re.compile('database or disk is full|No space left on device|Disk quota exceeded', re.IGNORECASE)
_MAX_CHARACTERS = 500


def root_cause(error: BaseException) -> tuple[BaseException, str]:
    """Finds the cause of an error.

    The message of a `UserError` is complete. Other errors are described by their type and message. Beam puts the
    traceback of a worker into a message: its last error line is used.

    Args:
        error: the error, with its chain of causes.

    Returns:
        The error that caused the others, and its message in one line.
    """
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    for link in chain:
        if isinstance(link, UserError):
            return link, _one_line(str(link))
    for link in chain:
        if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT):
            return link, 'no space left on the device' + (f' for {link.filename}' if link.filename else '')
    for link in chain:
        if _FULL.search(str(link)):
            return link, 'the disk is full; free some space, or move the folder of the runs, and run again'
    root = chain[-1]
    return root, _one_line(_describe(root))


def _describe(error: BaseException) -> str:
    text = str(error).strip()
    if 'Traceback (most recent call last)' in text:
        for line in reversed(text.splitlines()):
            line = _WHILE_RUNNING.sub('', line.strip())
            if match := _ERROR_LINE.match(line):
                return f'{match[1]}: {match[2]}' if match[2] else match[1]
    text = _WHILE_RUNNING.sub('', text)
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


def _one_line(text: str) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + '…'
