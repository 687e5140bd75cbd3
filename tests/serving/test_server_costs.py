"""Who may run in the event loop."""

import numpy as np

from vaiven.serving.server.costs import CHEAP_SECONDS, LARGE_BYTES, Costs

KEY = ('y',)
SMALL = {'x': np.zeros(4, np.float32)}


def seen(*seconds: float, feeds: dict[str, np.ndarray] = SMALL) -> Costs:
    costs = Costs()
    for each in seconds:
        costs.note(KEY, feeds, each)
    return costs


def test_nothing_is_cheap_before_it_was_seen() -> None:
    costs = Costs()
    assert not costs.cheap(KEY)
    assert not costs.at_once(KEY, SMALL)
    assert not costs.short(KEY)


def test_a_first_run_that_compiles_says_little_of_the_next() -> None:
    assert not seen(0.5).short(KEY)
    costs = seen(0.5, 1e-4)
    assert costs.cheap(KEY)
    assert not costs.at_once(KEY, SMALL)  # not before one run in a thread has prepared it
    assert seen(0.5, 1e-4, 1e-4).at_once(KEY, SMALL)


def test_one_slow_run_is_forgiven_and_more_are_not() -> None:
    costs = seen(1e-4, 1e-4, 1.0)
    assert costs.cheap(KEY)
    costs.note(KEY, SMALL, 1.0)
    assert not costs.cheap(KEY)
    assert costs.short(KEY)


def test_inputs_much_larger_than_those_seen_are_not_run_at_once() -> None:
    costs = seen(1e-5, 1e-5)
    assert not costs.at_once(KEY, {'x': np.zeros(100, np.float32)})
    costs = seen(1e-5, 1e-5, feeds={'x': np.zeros(100, np.float32)})
    assert costs.at_once(KEY, {'x': np.zeros(200, np.float32)})
    assert not costs.at_once(KEY, {'x': np.array([b'x' * 1000], object)})
    assert not costs.at_once(KEY, {'x': np.zeros(LARGE_BYTES, np.uint8)})


def test_a_scalar_may_say_how_much_there_is_to_do() -> None:
    assert not seen(1e-5, 1e-5).at_once(KEY, {'length': np.array(3)})


def test_other_outputs_are_another_matter() -> None:
    assert not seen(1e-5, 1e-5).at_once(('z',), SMALL)
    assert CHEAP_SECONDS < 1e-3
