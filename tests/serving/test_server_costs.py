"""Who may run in the event loop."""

import numpy as np

from vaiven.serving.server.costs import LARGE_BYTES, Seen

SMALL = {'x': np.zeros(4, np.float32)}


def seen(*seconds: float, feeds: dict[str, np.ndarray] = SMALL) -> Seen:
    runs = Seen()
    for each in seconds:
        runs.note(feeds, each)
    return runs


def test_nothing_is_cheap_before_it_was_seen() -> None:
    costs = Seen()
    assert not costs.small
    assert not costs.at_once(SMALL)
    assert not costs.short


def test_a_first_run_that_compiles_says_little_of_the_next() -> None:
    assert not seen(0.5).short
    costs = seen(0.5, 1e-4)
    assert costs.small
    assert not costs.at_once(SMALL)  # not before one run in a thread has prepared it
    assert seen(0.5, 1e-4, 1e-4).at_once(SMALL)


def test_one_slow_run_is_forgiven_and_more_are_not() -> None:
    costs = seen(1e-4, 1e-4, 1.0)
    assert costs.at_once(SMALL)
    costs.note(SMALL, 1.0)
    assert not costs.at_once(SMALL)
    assert costs.small


def test_inputs_much_larger_than_those_seen_are_not_run_at_once() -> None:
    costs = seen(1e-5, 1e-5)
    assert not costs.at_once({'x': np.zeros(100, np.float32)})
    costs = seen(1e-5, 1e-5, feeds={'x': np.zeros(100, np.float32)})
    assert costs.at_once({'x': np.zeros(200, np.float32)})
    assert not costs.at_once({'x': np.array([b'x' * 1000], object)})
    assert not costs.at_once({'x': np.zeros(LARGE_BYTES, np.uint8)})


def test_a_scalar_may_say_how_much_there_is_to_do() -> None:
    assert not seen(1e-5, 1e-5).at_once({'length': np.array(3)})
