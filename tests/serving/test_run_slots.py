"""The slots for runs: as many at once as there are, in the order of arrival; the end of a call ends its wait."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from raw_clients import wait_until

from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.run_slots import RunSlots


def test_the_slot_goes_to_the_thread_that_has_waited_longest() -> None:
    slots, order = RunSlots(1), []
    slots.acquire()

    def take(number: int) -> None:
        slots.acquire()
        order.append(number)
        slots.release()

    with ThreadPoolExecutor(3) as threads:
        for number in range(3):
            threads.submit(take, number)
            wait_until(lambda number=number: len(slots._waiting) == number + 1)
        slots.release()
    assert order == [0, 1, 2]
    slots.acquire()


def test_a_deadline_ends_the_wait() -> None:
    slots = RunSlots(1)
    slots.acquire()
    with pytest.raises(StatusError) as caught:
        slots.acquire(time.monotonic() + 0.01)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    slots.release()
    slots.acquire(time.monotonic() + 0.01)


def test_the_end_of_a_call_ends_its_wait() -> None:
    slots = RunSlots(1)
    slots.acquire()

    def end_soon(function: Callable[[], object]) -> bool:
        threading.Timer(0.01, function).start()
        return True

    for on_end in (end_soon, lambda function: False):
        with pytest.raises(StatusError) as caught:
            slots.acquire(None, on_end)
        assert caught.value.code is Code.CANCELLED
    slots.release()
    slots.acquire()
