"""Batches: which requests share a run, how outputs are split, and what is rejected. numpy runs the model here."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_clients import wait_until

from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.server.batch_threads import BatchThreads
from vaiven.serving.server.batching import Batcher
from vaiven.serving.server.batching_parameters import AUTOMATIC, BatchingParameters, read
from vaiven.serving.server.endpoints import row_outputs
from vaiven.serving.wire import messages


class Lease:
    """Counts uses."""

    def __init__(self) -> None:
        self.uses = 0

    def retain(self) -> None:
        self.uses += 1

    def release(self) -> None:
        self.uses -= 1


class Model:
    """`y = 2 x`: it counts its rows, and a test can block it."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.inputs: list[Any] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.entered = threading.Event()

    def __call__(self, feeds: Any, fetches: Sequence[str], deadline: float | None = None) -> list[np.ndarray]:
        self.entered.set()
        assert self.go_on.wait(30)
        x = feeds['x']
        self.rows.append(len(x))
        self.inputs.append(x)
        if x.dtype != object and (x < 0).any():
            raise invalid_argument('below 0')
        values = {
            'y': x if x.dtype == object else x * 2,
            'total': np.sum(x, keepdims=True),
            'one': np.float32(1),
            'flat': np.full(int(np.sum(x)) if x.dtype != object else 0, 7),
        }
        return [values[name] for name in fetches]


def numbers(*values: float) -> dict[str, np.ndarray]:
    return {'x': np.array(values, np.float32)}


def together(
    model: Model,
    parameters: BatchingParameters,
    *requests: Any,
    fetches: Sequence[str] = ('y',),
    threads: int = 1,
) -> list[Any]:
    """The responses to requests that arrive while the first of them is running."""

    async def work() -> list[Any]:
        lease = Lease()
        batcher = Batcher(parameters, BatchThreads(threads), model, lease)
        model.go_on.clear()
        first = asyncio.create_task(batcher.run_async(requests[0], fetches))
        await asyncio.to_thread(model.entered.wait, 30)
        assert lease.uses == 1
        rest = [asyncio.create_task(batcher.run_async(request, fetches)) for request in requests[1:]]
        await asyncio.sleep(0)
        model.go_on.set()
        answers = await asyncio.gather(first, *rest, return_exceptions=True)
        assert lease.uses == 0
        return answers

    return asyncio.run(work())


def test_waiting_requests_share_a_run_and_get_their_own_rows() -> None:
    model = Model()
    answers = together(model, BatchingParameters(), numbers(1), numbers(2, 3), numbers(4), numbers(5, 6, 7))
    assert [answer[0].tolist() for answer in answers] == [[2], [4, 6], [8], [10, 12, 14]]
    assert model.rows == [1, 6]


def test_a_batch_has_at_most_the_allowed_rows() -> None:
    model = Model()
    together(model, BatchingParameters(4, 4), *(numbers(1, 2) for _ in range(5)))
    assert model.rows == [2, 4, 4]


def test_more_rows_than_a_batch_may_have_are_refused_or_split() -> None:
    model = Model()
    _, error = together(model, BatchingParameters(4, 4), numbers(1), numbers(1, 2, 3, 4, 5))
    assert (error.code, error.message) == (
        Code.INVALID_ARGUMENT,
        'Task size 5 is larger than maximum input batch size 4',
    )
    model = Model()
    answers = together(model, BatchingParameters(8, 2), numbers(0), numbers(1, 2, 3, 4, 5))
    assert answers[1][0].tolist() == [2, 4, 6, 8, 10]
    assert model.rows == [1, 2, 2, 1]


def test_a_split_request_without_batch_dimension_fails() -> None:
    for output in ('total', 'one'):
        model = Model()
        _, error = together(
            model, BatchingParameters(8, 2), numbers(0), numbers(1, 2, 3, 4, 5), fetches=('y', output)
        )
        assert error.code == Code.FAILED_PRECONDITION, output
        assert '0th dimension' in error.message


def test_a_run_for_warm_up_is_checked_split_and_filled_up_as_a_request_is() -> None:
    model = Model()
    batcher = Batcher(BatchingParameters(8, 4, allowed_batch_sizes=(2, 4)), BatchThreads(1), model, Lease())
    assert batcher.run_synchronously(numbers(1, 2, 3, 4, 5), ['y'], model)[0].tolist() == [2, 4, 6, 8, 10]
    assert model.rows == [4, 2]
    assert batcher.run_synchronously(numbers(1), ['y', 'one'], model)[0].tolist() == [2]
    with pytest.raises(StatusError, match='Task size 9 is larger than maximum input batch size 8'):
        batcher.run_synchronously(numbers(*range(9)), ['y'], model)
    with pytest.raises(StatusError, match='0th dimension'):
        batcher.run_synchronously(numbers(*range(5)), ['total'], model)


def test_batches_are_filled_up_to_an_allowed_size_with_the_last_ones_first_row() -> None:
    model = Model()
    answers = together(
        model, BatchingParameters(8, 8, allowed_batch_sizes=(1, 4, 8)), numbers(1), numbers(2), numbers(3, 4)
    )
    assert [answer[0].tolist() for answer in answers] == [[2], [4], [6, 8]]
    assert model.inputs[1].tolist() == [2, 3, 4, 3]


def test_one_bad_request_fails_alone() -> None:
    model = Model()
    first, bad, good = together(model, BatchingParameters(), numbers(1), numbers(-1), numbers(2))
    assert isinstance(bad, StatusError)
    assert bad.message == 'below 0'
    assert first[0].tolist() == [2]
    assert good[0].tolist() == [4]


@pytest.mark.parametrize('fetches', [('y', 'total'), ('one',)])
def test_outputs_without_batch_dimension_are_never_split(fetches: tuple[str, ...]) -> None:
    model = Model()
    answers = together(model, BatchingParameters(), numbers(1), numbers(2, 3), numbers(4, 5), fetches=fetches)
    assert len(answers) == 3
    if 'total' in fetches:
        assert [answer[1].tolist() for answer in answers] == [[1], [5], [9]]
    else:
        assert all(answer[0] == 1 for answer in answers)


def test_rows_of_different_shapes_run_alone_or_are_padded_with_the_first_element() -> None:
    short, long = ({'x': np.full((1, size), size, np.float32)} for size in (2, 3))
    model = Model()
    answers = together(model, BatchingParameters(), numbers(0), short, long)
    assert [answer[0].shape for answer in answers] == [(1,), (1, 2), (1, 3)]
    model = Model()
    padding = BatchingParameters(pad_variable_length_inputs=True)
    answers = together(model, padding, numbers(0), short, long)
    assert answers[1][0].tolist() == [[4, 4, 4]]
    assert model.rows == [1, 2]


def test_strings_travel_together() -> None:
    texts = [{'x': np.array([text], object)} for text in (b'\xc3\xb1', b'', b'a\0')]
    model = Model()
    assert [answer[0].tolist() for answer in together(model, BatchingParameters(), *texts)] == [
        [b'\xc3\xb1'], [b''], [b'a\0'],
    ]  # fmt: skip
    assert model.rows == [1, 2]


def test_a_full_queue_rejects_requests() -> None:
    answers = together(
        Model(), BatchingParameters(2, 2, max_enqueued_batches=2), *(numbers(1, 2) for _ in range(5))
    )
    codes = [answer.code if isinstance(answer, StatusError) else Code.OK for answer in answers]
    assert codes == [Code.OK, Code.OK, Code.OK, Code.UNAVAILABLE, Code.UNAVAILABLE]
    assert 'queue to which this task was submitted is full' in answers[-1].message


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def waited() -> Any:
        return await work()

    return asyncio.run(waited())


def test_a_batch_that_is_not_full_waits_for_more_and_goes_when_it_is_full() -> None:
    async def work() -> list[int]:
        model = Model()
        batcher = Batcher(BatchingParameters(3, 3, timeout_seconds=60), BatchThreads(1), model, Lease())
        await asyncio.gather(*(batcher.run_async(numbers(1), ['y']) for _ in range(3)))
        return model.rows

    assert run(work) == [3]


def test_a_batch_that_is_not_full_goes_when_its_time_is_up() -> None:
    async def work() -> list[int]:
        model = Model()
        batcher = Batcher(BatchingParameters(timeout_seconds=0.01), BatchThreads(1), model, Lease())
        await asyncio.gather(*(batcher.run_async(numbers(1), ['y']) for _ in range(2)))
        return model.rows

    assert run(work) == [2]


def test_a_deadline_that_passes_in_the_queue_and_a_caller_that_hangs_up() -> None:
    async def work() -> tuple[Any, list[Any]]:
        model = Model()
        batcher = Batcher(BatchingParameters(1, 1), BatchThreads(1), model, Lease())
        model.go_on.clear()
        first = asyncio.create_task(batcher.run_async(numbers(1), ['y']))
        await asyncio.to_thread(model.entered.wait, 30)
        late = asyncio.create_task(batcher.run_async(numbers(2), ['y'], deadline=0.0))
        gone = asyncio.create_task(batcher.run_async(numbers(3), ['y']))
        last = asyncio.create_task(batcher.run_async(numbers(4), ['y']))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)  # the event loop cancels it now
        model.go_on.set()
        with pytest.raises(StatusError) as caught:
            await late
        await asyncio.gather(first, last)
        return caught.value, [value.tolist() for value in model.inputs]

    error, inputs = run(work)
    assert (error.code, error.message) == (
        Code.RESOURCE_EXHAUSTED,
        'Run() timeout exceeded while waiting in batching queue',
    )
    assert inputs == [[1], [4]]


def test_queues_share_the_threads_by_turns() -> None:
    async def work() -> list[Any]:
        model = Model()
        model.go_on.clear()
        batcher = Batcher(BatchingParameters(1, 1), BatchThreads(1), model, Lease())
        tasks = [
            asyncio.create_task(batcher.run_async(numbers(value), fetches))
            for fetches in (['y'], ['one'])
            for value in (1, 2, 3)
        ]
        await asyncio.sleep(0)
        model.go_on.set()
        await asyncio.gather(*tasks)
        return [value.item() for value in model.inputs]

    assert run(work) == [1, 2, 1, 3, 2, 3]


class CallEnd:
    """The end of a call, as gRPC tells it."""

    def __init__(self) -> None:
        self._functions: list[Callable[[], object]] = []

    def __call__(self, function: Callable[[], object]) -> bool:
        self._functions.append(function)
        return True

    def come(self) -> None:
        for function in self._functions:
            function()


def test_callers_with_threads_share_runs_and_one_of_them_runs_the_batch() -> None:
    model, lease = Model(), Lease()
    batcher = Batcher(BatchingParameters(), BatchThreads(1), model, lease)
    model.go_on.clear()
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(batcher.run, numbers(0), ['y'], None, CallEnd())
        assert model.entered.wait(30)
        rest = [threads.submit(batcher.run, numbers(value), ['y'], None, CallEnd()) for value in range(1, 8)]
        wait_until(lambda: batcher.waiting() == 7)
        model.go_on.set()
        assert [answer.result(30)[0].tolist() for answer in [first, *rest]] == [[2 * n] for n in range(8)]
    assert model.rows == [1, 7]
    assert lease.uses == 0


def test_callers_of_both_kinds_share_a_run() -> None:
    async def work() -> list[Any]:
        model = Model()
        batcher = Batcher(BatchingParameters(), BatchThreads(1), model, Lease())
        model.go_on.clear()
        first = asyncio.create_task(batcher.run_async(numbers(1), ['y']))
        await asyncio.to_thread(model.entered.wait, 30)
        second = asyncio.create_task(batcher.run_async(numbers(2), ['y']))
        third = asyncio.create_task(asyncio.to_thread(batcher.run, numbers(3), ['y'], None, CallEnd()))
        while batcher.waiting() < 2:
            await asyncio.sleep(0.01)
        model.go_on.set()
        answers = await asyncio.gather(first, second, third)
        return [model.rows, *(answer[0].tolist() for answer in answers)]

    assert run(work) == [[1, 2], [2], [4], [6]]


def test_a_caller_with_a_thread_that_hangs_up_leaves_the_queue_at_once() -> None:
    model = Model()
    batcher = Batcher(BatchingParameters(1, 1), BatchThreads(1), model, Lease())
    model.go_on.clear()
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(batcher.run, numbers(1), ['y'], None, CallEnd())
        assert model.entered.wait(30)
        end = CallEnd()
        gone = threads.submit(batcher.run, numbers(2), ['y'], None, end)
        wait_until(lambda: batcher.waiting() == 1)
        end.come()
        with pytest.raises(StatusError, match='the caller has hung up'):
            gone.result(30)
        ended = threads.submit(batcher.run, numbers(3), ['y'], None, lambda function: False)
        with pytest.raises(StatusError, match='the caller has hung up'):
            ended.result(30)
        model.go_on.set()
        assert first.result(30)[0].tolist() == [2]
    assert [value.tolist() for value in model.inputs] == [[1]]


def test_a_batch_of_a_caller_with_a_thread_goes_when_its_time_is_up() -> None:
    model = Model()
    batcher = Batcher(BatchingParameters(timeout_seconds=0.05), BatchThreads(1), model, Lease())
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(batcher.run, numbers(1), ['y'], None, CallEnd()) for _ in range(2)]
        for answer in both:
            assert answer.result(30)[0].tolist() == [2]
    assert sum(model.rows) == 2


def test_many_callers_with_threads_all_get_their_rows() -> None:
    model = Model()
    batcher = Batcher(BatchingParameters(16, 4, max_enqueued_batches=100), BatchThreads(2), model, Lease())

    def ask(value: int) -> bool:
        rows = numbers(*range(value, value + 1 + value % 6))
        [y] = batcher.run(rows, ['y'], None, CallEnd())
        return bool((y == rows['x'] * 2).all())

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(2000)))


def test_inputs_without_rows_are_not_batched() -> None:
    batcher = Batcher(BatchingParameters(), BatchThreads(1), Model(), Lease())
    assert batcher.can_batch(numbers(1), ['y'])
    assert not batcher.can_batch({'x': np.zeros(1), 'k': np.array(5)}, ['y'])
    assert not batcher.can_batch({}, ['y'])


def test_automatic_batching_leaves_alone_what_batching_would_refuse() -> None:
    batcher = Batcher(AUTOMATIC, BatchThreads(1), Model(), Lease(), row_outputs=frozenset({'y', 'z'}))
    assert batcher.can_batch(numbers(*range(AUTOMATIC.max_batch_size)), ['y'])
    assert not batcher.can_batch(numbers(*range(AUTOMATIC.max_batch_size + 1)), ['y'])
    assert not batcher.can_batch({'x': np.zeros(1), 'z': np.zeros(2)}, ['y'])
    assert not batcher.can_batch({'x': np.zeros(1), 'k': np.array(5)}, ['y'])
    # Its length may be that of a batch by chance, and then it would be divided between the callers.
    assert not batcher.can_batch(numbers(1), ['y', 'classes'])


def test_outputs_have_rows_unless_their_signature_has_a_constant_length() -> None:
    signature = messages.SignatureDef()
    for name, sizes in (('rows', [-1, 2]), ('two', [2]), ('scalar', []), ('one', [1, 3])):
        info = signature.outputs[name]
        info.name = f'{name}:0'
        for size in sizes:
            info.tensor_shape.dim.add().size = size
    signature.outputs['any'].name = 'any:0'
    signature.outputs['any'].tensor_shape.unknown_rank = True
    assert row_outputs({'serving_default': signature}) == {'rows:0', 'any:0'}
    signature.outputs['word_row_lengths'].name = 'lengths:0'
    signature.outputs['word_row_lengths'].tensor_shape.dim.add().size = -1
    assert row_outputs({'explain': signature}) == frozenset()


def test_automatic_batching_waits_for_a_run_alone_that_has_rows() -> None:
    def answers(fetches: Sequence[str], *values: Sequence[float]) -> tuple[list[int], list[Any]]:
        model = Model()
        batcher = Batcher(AUTOMATIC, BatchThreads(1), model, Lease(), row_outputs=frozenset({'y', 'flat'}))
        with ThreadPoolExecutor(8) as threads:
            model.go_on.clear()
            first = threads.submit(batcher.run, numbers(*values[0]), fetches, None, CallEnd())
            assert model.entered.wait(30)
            rest = [
                threads.submit(batcher.run, numbers(*some), fetches, None, CallEnd()) for some in values[1:]
            ]
            wait_until(lambda: batcher.waiting() == sum(map(len, values[1:])))
            model.go_on.set()
            return model.rows, [answer.result(30)[0].tolist() for answer in (first, *rest)]

    assert answers(['y'], [1], [2], [3]) == ([1, 2], [[2], [4], [6]])
    # As many values as the numbers say, like the words of texts: 1 + 0 + 2 values for the last three rows.
    assert answers(['flat'], [2], [1], [0], [2]) == ([1, 1, 1, 1], [[7, 7], [7], [], [7, 7]])


def test_a_request_without_rows_waits_like_any_other() -> None:
    model = Model()
    batcher = Batcher(BatchingParameters(), BatchThreads(1), model, Lease())
    model.go_on.clear()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(batcher.run, numbers(1), ['y'], None, CallEnd())
        assert model.entered.wait(30)
        empty = threads.submit(batcher.run, numbers(), ['y'], None, CallEnd())
        wait_until(lambda: any(not queue.is_empty for queue in batcher._queues.values()))
        model.go_on.set()
        assert first.result(30)[0].tolist() == [2]
        assert empty.result(30)[0].tolist() == []


def test_a_time_that_is_over_before_the_caller_sleeps_starts_the_batch() -> None:
    class SlowEnd(CallEnd):
        def __call__(self, function: Callable[[], object]) -> bool:
            time.sleep(0.05)
            return super().__call__(function)

    batcher = Batcher(BatchingParameters(timeout_seconds=0.01), BatchThreads(2), Model(), Lease())
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(batcher.run, numbers(4), ['y'], None, SlowEnd())
        assert answer.result(20)[0].tolist() == [8]


def test_the_chunks_of_one_request_run_side_by_side() -> None:
    both = threading.Barrier(2)

    def model(feeds: Any, fetches: Sequence[str], deadline: float | None = None) -> list[np.ndarray]:
        both.wait(20)
        return [feeds['x'] * 2]

    batcher = Batcher(BatchingParameters(4, 2, max_enqueued_batches=9), BatchThreads(2), model, Lease())
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(batcher.run, numbers(1, 2, 3, 4), ['y'], None, CallEnd())
        assert answer.result(30)[0].tolist() == [2, 4, 6, 8]


def test_inputs_with_different_numbers_of_rows_are_refused() -> None:
    async def work() -> None:
        await Batcher(BatchingParameters(), BatchThreads(1), Model(), Lease()).run_async(
            {'x': np.zeros(1), 'z': np.zeros(2)}, ['y']
        )

    with pytest.raises(StatusError, match='must have equal 0th-dimension size'):
        run(work)


@pytest.mark.parametrize(
    ('text', 'rule'),
    [
        ('max_batch_size { value: 0 }', 'max_batch_size must be at least 1; was 0'),
        ('batch_timeout_micros { value: -1 }', 'batch_timeout_micros must be at least 0'),
        ('allowed_batch_sizes: [4, 2]', 'must be increasing'),
        ('max_batch_size { value: 8 } allowed_batch_sizes: [2, 4]', 'last entry was 4; expected 8'),
        (
            'max_batch_size { value: 8 } enable_large_batch_splitting { value: true } '
            'max_execution_batch_size { value: 9 }',
            'must not be above max_batch_size',
        ),
        ('max_batch { value: 1 }', 'Error parsing text-format tensorflow.serving.BatchingParameters: '),
    ],
)
def test_invalid_parameters_are_refused(text: str, rule: str, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text(text)
    with pytest.raises(StatusError, match=rule):
        read(tmp_path / 'file')


def test_parameters_are_read(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text(
        'max_batch_size { value: 128 } batch_timeout_micros { value: 500 } num_batch_threads { value: 3 } '
        'max_enqueued_batches { value: 7 } enable_large_batch_splitting { value: true } '
        'max_execution_batch_size { value: 32 } allowed_batch_sizes: [8, 32] pad_variable_length_inputs: true'
    )
    assert read(tmp_path / 'file') == BatchingParameters(128, 32, 0.0005, 7, 3, (8, 32), True)
    (tmp_path / 'file').write_text('')
    assert read(tmp_path / 'file') == BatchingParameters()
