"""The client answers alike over gRPC and over REST, and says what to do when it cannot."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from vaiven.serving.client import (
    Client,
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    RequestError,
    TokenSentiment,
    UnavailableError,
    Vaiven,
)
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages


def test_the_client_is_imported_without_tensorflow() -> None:
    code = (
        'import sys; from vaiven.serving.client import Client, Vaiven; Client("127.0.0.1:1").close(); '
        'Client("http://127.0.0.1:1").close(); '
        'print([name for name in ("tensorflow", "keras", "tfx", "apache_beam") if name in sys.modules])'
    )
    answer = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == '[]'


def test_the_rest_client_needs_no_grpc() -> None:
    code = 'import sys; from vaiven.serving.client import Client; Client("http://h:1"); print("grpc" in sys.modules)'
    answer = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == 'False'


def test_predict_takes_lists_and_answers_with_arrays_by_name(client: Client) -> None:
    answer = client.predict('reviews', {'text': ['gg', 'ga', b'']})
    assert sorted(answer) == ['label', 'probability']
    assert answer['probability'].dtype == np.float32
    assert answer['probability'].tolist() == [1.0, 0.5, 0.0]
    assert answer['label'].tolist() == [b'positive', b'negative', b'negative']


def test_outputs_can_be_picked(client: Client) -> None:
    assert list(client.predict('reviews', {'text': ['g']}, outputs=['label'])) == ['label']


def test_an_output_that_is_not_there_is_refused(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match='not found in signature'):
        client.predict('reviews', {'text': ['g']}, outputs=['nothing'])


def test_the_one_output_of_a_signature_has_its_name(client: Client) -> None:
    answer = client.predict('reviews', {'text': ['año']}, signature='embed', version=1)
    assert answer['embedding'].tolist() == [[4.0, 1.0]]


def test_versions_are_chosen_and_the_newest_is_the_default(client: Client) -> None:
    def asked(version: int | None) -> float:
        return client.predict('reviews', {'text': ['g']}, signature='embed', version=version)['embedding'][
            0, 1
        ]

    assert [asked(1), asked(2), asked(None)] == [1.0, 2.0, 2.0]


def test_classify_gives_classes_with_scores(client: Client) -> None:
    answer = client.classify('reviews', [{'text': 'gg'}, {'text': b'ga'.decode()}])
    assert answer == [[('negative', 0.0), ('positive', 1.0)], [('negative', 0.5), ('positive', 0.5)]]


def test_regress_gives_a_number_for_each_example(client: Client) -> None:
    assert client.regress('reviews', [{'text': 'gg'}, {'text': 'año'}, {'text': 'ga'}]) == [1.0, 0.0, 0.5]


def test_several_signatures_are_asked_at_once_over_grpc(server: ServerProcess) -> None:
    with Client(server.grpc_address) as client:
        answer = client.multi_inference(
            'reviews', [{'text': 'ga'}], {'classify': 'classify', 'regress': 'regress'}, version=1
        )
        assert answer == {'classify': [[('negative', 0.5), ('positive', 0.5)]], 'regress': [0.5]}
        with pytest.raises(ServingError, match="or for regress\\. Received: 'predict'"):
            client.multi_inference('reviews', [{'text': 'ga'}], {'classify': 'predict'})
        with pytest.raises(InvalidRequestError, match='Input is empty'):
            client.multi_inference('reviews', [], {'classify': 'classify'})
    with Client(server.rest_url) as client, pytest.raises(RequestError, match='over gRPC alone'):
        client.multi_inference('reviews', [{'text': 'ga'}], {'classify': 'classify'})


def test_health_is_asked_of_the_server_as_a_whole(client: Client) -> None:
    assert client.health() is True


def test_metadata_describes_the_signatures(client: Client) -> None:
    metadata = client.metadata('reviews', version=1)
    assert metadata.version == 1
    signature = metadata.signatures['next_word']
    assert {name: (spec.dtype, spec.shape) for name, spec in signature.inputs.items()} == {
        'text': ('DT_STRING', (-1,)),
        'k': ('DT_INT32', ()),
    }
    assert metadata.signatures['classify'].method == 'tensorflow/serving/classify'


def test_status_lists_versions_newest_first(client: Client) -> None:
    assert [(each.version, each.state) for each in client.status('reviews')] == [
        (2, 'AVAILABLE'),
        (1, 'AVAILABLE'),
    ]


def test_an_unknown_model_is_named(client: Client) -> None:
    with pytest.raises(NotFoundError, match="has no model 'films'") as caught:
        client.predict('films', {'text': ['g']})
    assert (caught.value.code, caught.value.exit_status) == ('NOT_FOUND', 2)
    assert caught.value.details == 'Servable not found for request: Latest(films)'


def test_an_unknown_version_is_named(client: Client) -> None:
    with pytest.raises(NotFoundError, match="version 9 of model 'reviews' is not loaded"):
        client.predict('reviews', {'text': ['g']}, version=9)
    with pytest.raises(NotFoundError, match='version 9'):
        client.status('reviews', version=9)


def test_an_unknown_label_is_named_and_names_no_version(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="has no label 'gold'"):
        client.predict('reviews', {'text': ['g']}, label='gold')
    assert client.label_version('reviews', 'gold') is None


def test_an_unknown_signature_is_named(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="has no signature 'paint'"):
        client.predict('reviews', {'text': ['g']}, signature='paint')


def test_wrong_inputs_are_told_in_the_servers_words(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match='the server refused the request'):
        client.predict('reviews', {'texts': ['g']})


def test_version_and_label_together_are_refused(client: Client) -> None:
    with pytest.raises(ServingError, match='not both'):
        client.predict('reviews', {'text': ['g']}, version=1, label='stable')


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize('form', ['127.0.0.1:{}', 'http://127.0.0.1:{}'])
def test_no_server_says_how_to_start_one(form: str) -> None:
    with Client(form.format(free_port())) as client, pytest.raises(UnavailableError) as caught:
        client.predict('reviews', {'text': ['g']})
    assert 'no server answers at' in str(caught.value)
    assert '`vaiven serve`' in str(caught.value)
    assert caught.value.exit_status == 1


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.socket() as listening:
        listening.bind(('127.0.0.1', 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize('form', ['127.0.0.1:{}', 'http://127.0.0.1:{}'])
def test_a_server_that_says_nothing_ends_in_a_deadline(form: str, silent: int) -> None:
    with Client(form.format(silent), timeout=0.3) as client, pytest.raises(RequestError) as caught:
        client.predict('reviews', {'text': ['g']})
    assert isinstance(caught.value, DeadlineError)
    assert 'within 0.3 s' in str(caught.value)


def test_the_rest_port_given_for_grpc_is_told(server: ServerProcess) -> None:
    with Client(server.rest_url.removeprefix('http://')) as client, pytest.raises(UnavailableError) as caught:
        client.status('reviews')
    assert 'speaks HTTP, not gRPC' in str(caught.value)


@pytest.mark.parametrize('address', ['', 'localhost', '8500', 'http://', 'a b:1'])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(ServingError, match='an address must be host:port'):
        Client(address)


def test_a_request_that_is_too_large_is_refused_before_it_is_sent(server: ServerProcess) -> None:
    for address in (server.grpc_address, server.rest_url):
        with (
            Client(address, max_message_bytes=1000) as client,
            pytest.raises(RequestError, match=r'larger|most'),
        ):
            client.predict('reviews', {'text': ['g' * 2000]})


def test_labels_cannot_be_moved_over_rest(server: ServerProcess) -> None:
    with Client(server.rest_url) as client, pytest.raises(RequestError, match='over gRPC alone'):
        client.reload_config(messages.ModelServerConfig())


def test_a_version_that_never_comes_is_told_after_the_timeout(client: Client) -> None:
    with pytest.raises(RequestError, match="version 9 of model 'reviews' was not loaded within"):
        client.wait_until_available('reviews', version=9, timeout=0.3)


def test_threads_share_a_client(client: Client) -> None:
    answers: dict[int, list[float]] = {}

    def ask(number: int) -> None:
        texts = ['g' * number] * number
        answers[number] = client.predict('reviews', {'text': texts})['probability'].tolist()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [1.0] * number for number in range(1, 9)}


def test_sentiment_keeps_order_over_batches(client: Client) -> None:
    texts = ['g' * (i % 2) + 'a' * (i % 3 == 0) for i in range(300)]
    answers = Vaiven(client, batch_rows=7).sentiment(iter(texts))
    assert [answer.text for answer in answers] == texts
    assert all((answer.label == 'positive') == (answer.text == 'g') for answer in answers)


def test_one_text_may_be_given_bare_and_none_asks_nothing(client: Client) -> None:
    assert [answer.text for answer in Vaiven(client).sentiment('gg')] == ['gg']
    assert Vaiven(client, 'no such model').sentiment([]) == []
    assert Vaiven(client, 'no such model').embed([]).shape == (0, 0)


def test_texts_are_written_on_with_all_that_was_asked(client: Client) -> None:
    found = Vaiven(client, batch_rows=2).generate(
        ['a', 'año', ''], length=9, temperature=0, top_k=3, seed=2**31 - 1
    )
    assert [each.text for each in found] == ['a', 'año', '']
    assert [each.generated for each in found] == [
        ' ñ 9 0 0.95 3 0 2147483647 0',
        ' ñ 9 0 0.95 3 0 2147483647 1',
        ' ñ 9 0 0.95 3 0 -2147483648 0',
    ]


def test_without_a_text_and_a_seed_something_else_is_written_each_time(client: Client) -> None:
    assert len({Vaiven(client).generate()[0].generated for _ in range(3)}) == 3


@pytest.mark.parametrize('name', ['length', 'top_k', 'no_repeat', 'seed'])
def test_numbers_that_no_request_can_carry_are_refused(client: Client, name: str) -> None:
    with pytest.raises(ServingError, match=f'{name} must be a 32-bit integer'):
        Vaiven(client).generate('a', **{name: 2**31})


def test_a_rule_that_the_model_states_is_told_alone_and_kept_whole_in_the_details(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Vaiven(client).generate('a', top_p=0)
    assert str(caught.value).endswith('request: top_p must be above 0 and at most 1. Received: 0')
    assert 'assertion failed' in caught.value.details


def test_next_words_come_with_their_log_probabilities(client: Client) -> None:
    (words,) = Vaiven(client).next_words('el año', k=2)
    assert [(word.token, word.log_probability) for word in words] == [('el año+0', -1.0), ('el año+1', -2.0)]


def test_score_splits_the_values_by_text(client: Client) -> None:
    one, empty, other = Vaiven(client).score(['ab', '', 'xyz'])
    assert (one.tokens, one.log_probability, one.token_log_probabilities) == (2, -2.0, (0.0, -1.0))
    assert empty.token_log_probabilities == ()
    assert other.token_log_probabilities == (-2.0, -3.0, -4.0)


def test_the_course_is_split_by_text(client: Client) -> None:
    one, empty, other = Vaiven(client, batch_rows=2).token_sentiment(['gg año', '', 'x gx'])
    assert one == TokenSentiment('gg año', ('gg', 'año'), (1.0, 0.0))
    assert empty == TokenSentiment('', (), ())
    assert other == TokenSentiment('x gx', ('x', 'gx'), (0.0, 0.5))
    assert Vaiven(client).course([]) == []


def test_embed_is_one_row_a_text(client: Client) -> None:
    rows = Vaiven(client, version=1, batch_rows=2).embed(['a', 'bb', 'ccc'])
    assert rows.tolist() == [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]


def test_texts_that_are_none_are_refused_by_number(client: Client) -> None:
    with pytest.raises(ServingError, match='Received: int as text 2'):
        Vaiven(client).sentiment(['g', 3])  # type: ignore[list-item]
    with pytest.raises(ServingError, match='text 2 is not valid UTF-8'):
        Vaiven(client).sentiment(['g', 'a\udcff'])
    with pytest.raises(ServingError, match='k must be at least 1'):
        Vaiven(client).next_words('g', k=0)
