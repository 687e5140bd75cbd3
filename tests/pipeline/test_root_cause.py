import errno
import itertools

import pytest

from vaiven.configuration import ConfigError
from vaiven.pipeline.root_cause import root_cause


def _raised(*errors: BaseException) -> BaseException:
    for inner, outer in itertools.pairwise(errors):
        outer.__cause__ = inner
    return errors[-1]


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (ValueError('bad\nvalue'), 'ValueError: bad value'),
        (KeyError(), 'KeyError'),
        (_raised(OSError('disk'), RuntimeError('outer')), 'OSError: disk'),
        (_raised(ConfigError('say 3'), RuntimeError('outer')), 'say 3'),
        (_raised(OSError('inner'), ConfigError('say 3')), 'say 3'),
        (ValueError("no such column [while running 'Read/ParDo']"), 'ValueError: no such column'),
        (
            RuntimeError(
                'Traceback (most recent call last):\n  File "a.py", line 1, in f\n'
                "tensorflow.python.ops.InvalidArgumentError: shapes differ [while running 'Step']\n\nDuring …"
            ),
            'InvalidArgumentError: shapes differ',
        ),
        (
            RuntimeError('Failed to establish connection …: database or disk is full query: COMMIT;'),
            'the disk is full; free some space, or move the folder of the runs, and run again',
        ),
        (
            RuntimeError(
                'Traceback (most recent call last):\n  …\nOSError: [Errno 28] No space left on device'
            ),
            'the disk is full; free some space, or move the folder of the runs, and run again',
        ),
        (OSError(errno.ENOSPC, 'No space left', 'a/file'), 'no space left on the device for a/file'),
    ],
)
def test_the_root_cause_is_described_in_one_line(error, message):
    assert root_cause(error)[1] == message


def test_the_cause_of_a_loop_of_errors_is_found():
    first, second = ValueError('first'), ValueError('second')
    first.__cause__, second.__cause__ = second, first
    assert root_cause(first)[1] == 'ValueError: second'


def test_an_endless_message_is_cut():
    assert len(root_cause(ValueError('x' * 10_000))[1]) == 500
