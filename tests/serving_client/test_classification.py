"""`Vaiven.classify` and `sentiment` for models of every kind of labels, over gRPC and REST alike."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.serving_client.classifiers import TOPICS
from vaiven.serving.client import (
    UNDECIDED,
    AsyncClient,
    AsyncVaiven,
    Classification,
    Client,
    Sentiment,
    Vaiven,
)
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess


@pytest.fixture(scope='module', params=['grpc', 'rest'])
def classifying(request: pytest.FixtureRequest, classifier_server: ServerProcess) -> Iterator[Client]:
    """A client for each way to the server of all kinds."""
    server = classifier_server
    with Client(server.grpc_address if request.param == 'grpc' else server.rest_url) as made:
        yield made


def test_each_text_gets_its_most_probable_class_with_its_own_score(classifying: Client) -> None:
    topics = Vaiven(classifying, 'topics')
    assert topics.classify(['b', 'cccd', '', 'ñ 😀 שלום']) == [
        Classification('b', TOPICS[1], 1.0, (0.0, 1.0, 0.0, 0.0), TOPICS),
        Classification('cccd', TOPICS[2], 0.75, (0.0, 0.0, 0.75, 0.25), TOPICS),
        Classification('', TOPICS[0], 0.25, (0.25,) * 4, TOPICS),
        Classification('ñ 😀 שלום', TOPICS[0], 0.25, (0.25,) * 4, TOPICS),
    ]
    assert topics.classify([]) == []


def test_classes_with_an_order_have_an_expected_value(classifying: Client) -> None:
    (result,) = Vaiven(classifying, 'stars').classify('bbbc')
    assert (result.label, result.score, result.expected_value) == ('★★', 0.75, 2.25)
    assert Vaiven(classifying, 'topics').classify('b')[0].expected_value is None


def test_a_text_may_have_several_labels_or_none(classifying: Client) -> None:
    results = Vaiven(classifying, 'tags').classify(['aab', 'abcc', 'c', ''])
    assert [result.labels for result in results] == [
        ('precio', 'envío 📦'), ('precio', 'envío 📦', 'רכב'), ('רכב',), (),
    ]  # fmt: skip
    assert [result.joined_labels for result in results] == [
        'precio;envío 📦',
        'precio;envío 📦;רכב',
        'רכב',
        '',
    ]
    assert (results[0].label, results[0].score, results[0].probabilities) == ('precio', 1.0, (1.0, 0.5, 0.0))
    assert Vaiven(classifying, 'topics').classify('b')[0].labels is None


def test_two_classes_of_any_names_have_a_sentiment(classifying: Client) -> None:
    assert Vaiven(classifying, 'mail').sentiment(['aaab', 'b']) == [
        Sentiment('aaab', 'ham', 0.25, 0.75),
        Sentiment('b', 'spam', 1.0, 1.0),
    ]
    assert Vaiven(classifying, 'reviews').sentiment(['abbb']) == [Sentiment('abbb', 'positive', 0.75)]
    (result,) = Vaiven(classifying, 'mail').classify('aaab')
    assert result == Classification('aaab', 'ham', 0.75, (0.75, 0.25), ('ham', 'spam'))


@pytest.mark.parametrize('model', ['topics', 'stars', 'tags'])
def test_a_model_with_more_classes_has_no_sentiment(classifying: Client, model: str) -> None:
    with pytest.raises(ServingError, match=f"^model '{model}' has more than two classes: use classify"):
        Vaiven(classifying, model).sentiment('a')


def test_a_model_of_an_earlier_version_is_classified(client: Client) -> None:
    assert sorted(client.predict('reviews', {'text': ['g']})) == ['label', 'probability']
    reviews = Vaiven(client)
    assert reviews.classify(['ggga', 'a']) == [
        Classification('ggga', 'positive', 0.75, (0.25, 0.75), ('negative', 'positive')),
        Classification('a', 'negative', 1.0, (1.0, 0.0), ('negative', 'positive')),
    ]
    for _ in range(2):  # the second time, the client knows the outputs of the model
        assert reviews.sentiment(['ggga', 'a']) == [
            Sentiment('ggga', 'positive', 0.75, 0.75),
            Sentiment('a', 'negative', 0.0, 1.0),
        ]


def test_a_sentiment_made_without_a_score_has_that_of_its_label() -> None:
    assert Sentiment('t', 'ham', 0.25).score == 0.75
    assert Sentiment('t', 'positive', 0.75).score == 0.75


def test_outputs_that_are_not_requested_are_empty(classifying: Client) -> None:
    (result,) = Vaiven(classifying, 'topics').classify('b', outputs=['label', 'score'])
    assert result == Classification('b', TOPICS[1], 1.0)
    (result,) = Vaiven(classifying, 'tags').classify('ab', outputs=['label', 'score', 'labels'])
    assert result == Classification('ab', 'precio', 1.0, joined_labels='precio;envío 📦')
    (result,) = Vaiven(classifying, 'mail').classify('ab', outputs=['label', 'score', 'probability'])
    assert result == Classification('ab', 'ham', 0.5, (0.5, 0.5))
    with pytest.raises(
        ServingError, match=r"must name 'label', and 'score' or 'probability'. Received: \['score'\]"
    ):
        Vaiven(classifying, 'topics').classify('b', outputs=['score'])


def test_a_score_below_the_minimum_is_undecided(classifying: Client) -> None:
    topics = Vaiven(classifying, 'topics')
    results = topics.classify(['b', 'cccd', 'ab'], min_score=0.75)
    assert [(result.label, result.score) for result in results] == [
        (TOPICS[1], 1.0), (TOPICS[2], 0.75), (UNDECIDED, 0.5),
    ]  # fmt: skip
    # The share as a 32-bit float is below the same share as a 64-bit float.
    (result,) = topics.classify('aaaaaaabbb', min_score=0.7)
    assert result.score < 0.7
    assert result.label == TOPICS[0]


def test_a_minimum_that_makes_no_sense_is_refused(classifying: Client) -> None:
    for value in (-0.1, 1.5, float('nan')):
        with pytest.raises(ServingError, match=f'min_score must be between 0 and 1. Received: {value}'):
            Vaiven(classifying, 'topics').classify('a', min_score=value)
    with pytest.raises(
        ServingError, match="'moods' has a class named 'undecided', so min_score would make it"
    ):
        Vaiven(classifying, 'moods').classify('a', min_score=0.5)
    outputs = 'label', 'score'
    with pytest.raises(ServingError, match="'moods' has a class named 'undecided'"):
        Vaiven(classifying, 'moods').classify('b', outputs=outputs, min_score=0.5)
    with pytest.raises(ServingError, match="'tags' gives a text any number of labels"):
        Vaiven(classifying, 'tags').classify('a', min_score=0.5)
    assert Vaiven(classifying, 'moods').classify('b')[0].label == 'undecided'


def test_a_language_model_has_no_classes(client: Client) -> None:
    from vaiven.serving.client import classification

    for request in (classification.classify('novel'), classification.sentiment('novel')):
        with pytest.raises(
            ServingError, match=r"'novel' has no (sentiment )?classifier: it is a language model"
        ):
            request.read(['a'], {})


def test_the_asyncio_client_classifies_alike(classifier_server: ServerProcess) -> None:
    async def results(address: str) -> list[object]:
        async with AsyncClient(address) as client:
            topics = AsyncVaiven(client, 'topics', batch_rows=2)
            return [
                await topics.classify(['a', 'bbbc', 'cd'], min_score=0.6),
                await AsyncVaiven(client, 'mail').sentiment('ab'),
            ]

    with Client(classifier_server.grpc_address) as client:
        topics = Vaiven(client, 'topics')
        expected = [
            topics.classify(['a', 'bbbc', 'cd'], min_score=0.6),
            Vaiven(client, 'mail').sentiment('ab'),
        ]
    for address in (classifier_server.grpc_address, classifier_server.rest_url):
        assert asyncio.run(results(address)) == expected


def test_the_outputs_of_a_signature_may_be_missing_where_that_is_allowed(
    classifying: Client,
) -> None:
    names = 'label', 'expected_value', 'score'
    answer = classifying.predict('topics', {'text': ['a']}, outputs=names, missing_ok=True)
    assert {'label', 'score'} <= answer.keys()
    # The metadata is known now, so only these are requested.
    answer = classifying.predict('topics', {'text': ['a']}, outputs=names, missing_ok=True)
    assert sorted(answer) == ['label', 'score']
