"""The examples in the docstrings of the client, run against a server."""

import doctest
from collections.abc import Callable

import pytest

from vaiven.serving.client import Client, Vaiven
from vaiven.serving.client.errors import ServingError

METHODS = [
    *(
        getattr(Client, name)
        for name in ('predict', 'classify', 'metadata', 'status', 'wait_until_available')
    ),
    Vaiven,
    *(
        getattr(Vaiven, name)
        for name in (
            'classify',
            'sentiment',
            'explain',
            'token_sentiment',
            'next_words',
            'generate',
            'score',
            'embed',
        )
    ),
]


@pytest.mark.parametrize('method', METHODS, ids=lambda method: method.__qualname__)
def test_the_example_of_a_method_gives_what_it_shows(
    client: Client, method: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    names = {'client': client, 'vaiven': Vaiven(client), 'Vaiven': Vaiven}
    (example,) = doctest.DocTestFinder(recurse=False).find(method, globs=names)
    assert example.examples
    results = doctest.DocTestRunner().run(example)
    assert results.failed == 0, capsys.readouterr().out


def test_the_tree_of_errors_is_that_of_the_classes() -> None:
    from vaiven.serving.client import errors

    def subclasses(kind: type) -> set[str]:
        return {kind.__name__}.union(*(subclasses(below) for below in kind.__subclasses__()))

    for name in subclasses(errors.RequestError):
        if hasattr(errors, name):
            assert name in errors.__doc__
    assert issubclass(errors.RequestError, ServingError)


def test_former_names_of_results_and_methods_are_accepted(client: Client) -> None:
    from vaiven.serving.client import Continuation, Course, TokenSentiment
    from vaiven.serving.client.results import Written

    assert Course is TokenSentiment
    assert Written is Continuation
    assert Vaiven(client).course(['gg']) == Vaiven(client).token_sentiment(['gg'])
