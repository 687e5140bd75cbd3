"""The one line that says why something failed."""

import errno
import re

_WHILE_RUNNING = re.compile(r"\s*\[while running '[^']*'\]\s*$")
_ERROR_LINE = re.compile(r'^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*(?:Error|Exception|Interrupt|Exit))(?:: (.*))?$')
# SQLite's words in an error of ML Metadata, and the system's in one of TensorFlow or of a Beam worker.
_FULL = re.compile('database or disk is full|No space left on device|Disk quota exceeded', re.IGNORECASE)
_LONGEST = 500


def root_cause(error: BaseException) -> tuple[BaseException, str]:
    """The error that began it, and its message in one line.

    Errors of this project say all that a user needs. Others are named by their type. Beam puts the traceback of
    a worker into the message; its last error line is what counts.
    """
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    for link in chain:
        if hasattr(link, 'exit_status'):
            return link, _one_line(str(link))
    for link in chain:
        if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT):
            return link, 'no space left on the device' + (f' for {link.filename}' if link.filename else '')
    for link in chain:
        if _FULL.search(str(link)):
            return link, 'the disk is full; make room, or move the folder of the runs, and run again'
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
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + '…'
