"""Which runs may happen in the event loop."""

import numpy as np

from vaiven.serving.server.run_costs import LARGE_BYTES, MAX_SIZES, RunCosts, Sizes, measure

SMALL = {'x': np.zeros((4, 2), np.float32)}


def measured(feeds: dict[str, np.ndarray] = SMALL, *, fixed: bool = True) -> RunCosts:
    """The costs after a cheap single-threaded run."""
    runs = RunCosts(fixed)
    runs.observe(measure(feeds), 1e-5, single_threaded=True)
    return runs


def test_nothing_is_cheap_before_it_was_measured_in_one_thread_alone() -> None:
    costs = RunCosts(True)
    assert not costs.is_cheap(SMALL)
    costs.observe(measure(SMALL), 1e-5, single_threaded=False)
    assert not costs.is_cheap(SMALL)
    assert measure(SMALL) in costs.small
    costs.observe(measure(SMALL), 1e-5, single_threaded=True)
    assert costs.is_cheap(SMALL)


def test_a_longer_run_is_neither_small_nor_short() -> None:
    costs = RunCosts(True)
    costs.observe(measure(SMALL), 0.01, single_threaded=False)
    assert measure(SMALL) not in costs.small
    assert measure(SMALL) in costs.short
    costs = RunCosts(True)
    costs.observe(measure(SMALL), 0.5, single_threaded=False)
    assert measure(SMALL) not in costs.short


def test_a_first_run_that_compiles_says_nothing_of_the_next() -> None:
    costs = RunCosts(True)
    costs.observe(measure(SMALL), 0.5, single_threaded=True)
    assert not costs.is_cheap(SMALL)
    costs.observe(measure(SMALL), 1e-5, single_threaded=True, prepared=True)
    assert costs.is_cheap(SMALL)


def test_one_slow_run_in_the_loop_moves_it_out_for_good() -> None:
    costs = measured()
    costs.observe_cheap(0.03, 0.03)
    for _ in range(1000):
        costs.observe(measure(SMALL), 1e-5, single_threaded=True, prepared=True)
    assert not costs.is_cheap(SMALL)


def test_one_that_waits_long_is_not_cheap_again_before_one_that_does_not() -> None:
    costs = measured()
    costs.observe_cheap(1e-4, 6.0)
    assert not costs.is_cheap(SMALL)
    costs.observe(measure(SMALL), 1e-5, single_threaded=True, wall_seconds=6.0)
    assert not costs.is_cheap(SMALL)
    costs.observe(measure(SMALL), 1e-5, single_threaded=True, wall_seconds=1e-4)
    assert costs.is_cheap(SMALL)


def test_a_slow_run_of_a_thread_that_was_prepared_moves_it_out_for_good() -> None:
    costs = measured()
    costs.observe(measure(SMALL), 0.03, single_threaded=True, prepared=True)
    costs.observe(measure(SMALL), 1e-5, single_threaded=True, prepared=True)
    assert not costs.is_cheap(SMALL)


def test_a_run_that_is_no_longer_cheap_is_measured_again() -> None:
    costs = measured()
    costs.observe_cheap(0.005, 0.005)
    assert not costs.is_cheap(SMALL)
    costs.observe(measure(SMALL), 1e-5, single_threaded=True, prepared=True)
    assert costs.is_cheap(SMALL)


def test_a_run_whose_cost_depends_on_a_value_never_runs_in_the_event_loop() -> None:
    assert not measured(fixed=False).is_cheap(SMALL)


def test_inputs_larger_in_any_dimension_than_those_measured_do_not_run_in_the_event_loop() -> None:
    costs = measured()
    assert costs.is_cheap({'x': np.zeros((3, 2), np.float32)})
    for shape in ((5, 1), (1, 8), (1_000_000, 0), (4,), (4, 2, 1), ()):
        assert not costs.is_cheap({'x': np.zeros(shape, np.float32)}), shape
    assert not measured({'x': np.zeros(LARGE_BYTES, np.uint8)}).is_cheap(
        {'x': np.zeros(LARGE_BYTES + 1, np.uint8)}
    )


def test_longer_strings_are_larger_inputs() -> None:
    costs = measured({'text': np.array([b'x' * 100, b''], object)})
    assert costs.is_cheap({'text': np.array([b'x' * 50, b'y' * 50], object)})
    assert not costs.is_cheap({'text': np.array([b'x' * 101], object)})


def test_only_the_maximum_sizes_are_kept_and_few_of_them() -> None:
    sizes = Sizes()
    for rows in range(1, 100):
        sizes.add((((rows,), 0),))
    assert (((99,), 0),) in sizes
    for rows in range(1, 100):
        sizes.add((((rows, 100 - rows), 0),))
    assert len(sizes._maxima) == MAX_SIZES
    assert (((99, 1), 0),) in sizes
    sizes.clear()
    assert (((1,), 0),) not in sizes
