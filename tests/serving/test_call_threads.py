"""The threads of a gRPC server: few are at work, and none that waits keeps a call from its thread."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from raw_clients import wait_until

from vaiven.serving.common import call_threads
from vaiven.serving.common.call_threads import CallThreads, blocking


def names() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == 'grpc'}


def test_calls_that_wait_are_all_in_progress_at_once() -> None:
    threads = CallThreads(100)
    all_here = threading.Barrier(51)

    def call() -> None:
        with blocking:
            all_here.wait(30)

    for _ in range(50):
        threads.submit(call)
    all_here.wait(30)


def test_few_calls_are_at_work_at_once() -> None:
    threads = CallThreads(100)
    lock, at_work, most, done = threading.Lock(), 0, 0, 0

    def call() -> None:
        nonlocal at_work, most, done
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.001)
        with lock:
            at_work -= 1
            done += 1

    for _ in range(200):
        threads.submit(call)
    wait_until(lambda: done == 200)
    # On a busy machine some of them look stuck.
    assert most < 50


def test_threads_that_are_stuck_keep_no_call_waiting() -> None:
    threads = CallThreads(100)
    end, done = threading.Event(), threading.Event()
    for _ in range(20):
        threads.submit(end.wait, 30)  # nobody says that it waits
    threads.submit(done.set)
    assert done.wait(20)
    end.set()
    done.clear()
    threads.submit(done.set)
    assert done.wait(20)


def test_there_are_no_more_threads_than_allowed() -> None:
    threads = CallThreads(3)
    end, started = threading.Event(), []

    def call() -> None:
        started.append(threading.current_thread())
        with blocking:
            end.wait(30)

    for _ in range(10):
        threads.submit(call)
    wait_until(lambda: len(started) == 3)
    time.sleep(0.1)
    assert len(started) == 3
    end.set()
    wait_until(lambda: len(started) == 10)
    assert len(set(started)) == 3


def test_a_call_that_raises_ends_no_thread() -> None:
    threads = CallThreads(1)
    done = threading.Event()
    threads.submit(lambda: 1 / 0)
    threads.submit(done.set)
    assert done.wait(20)


def test_idle_threads_end_and_others_start_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = names()
    monkeypatch.setattr(call_threads, 'IDLE_SECONDS', 0.05)
    threads = CallThreads(10)
    for _ in range(3):
        done = threading.Event()
        threads.submit(done.set)
        assert done.wait(20)
        wait_until(lambda: not names() - before)


def test_calls_from_many_threads_are_all_made() -> None:
    threads = CallThreads(20)
    lock, done = threading.Lock(), 0

    def call(number: int) -> None:
        nonlocal done
        if number % 3 == 0:
            with blocking:
                time.sleep(0.0005)
        with lock:
            done += 1

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda number: threads.submit(call, number), range(3000)))
    wait_until(lambda: done == 3000)


def test_a_call_that_comes_while_a_thread_becomes_idle_is_made_and_so_is_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call_threads, 'IDLE_SECONDS', 0.2)
    threads, end = CallThreads(1), CallThreads._end
    second, third = threading.Event(), threading.Event()

    def end_and_submit(self: CallThreads, worker: call_threads._Worker) -> bool:
        is_given = end(self, worker)
        if not second.is_set():  # the thread is idle, and has not looked for work yet
            self.submit(second.set)
        return is_given

    monkeypatch.setattr(CallThreads, '_end', end_and_submit)
    threads.submit(lambda: None)
    assert second.wait(20)
    time.sleep(0.4)
    threads.submit(third.set)
    assert third.wait(20)


def test_a_thread_that_cannot_start_loses_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, done, start = CallThreads(5), threading.Event(), threading.Thread.start
    failures = []

    def fail_twice(self: threading.Thread) -> None:
        if self.name == 'grpc' and len(failures) < 2:
            failures.append(self)
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, 'start', fail_twice)
    threads.submit(done.set)
    assert done.wait(20)
    assert len(failures) == 2
