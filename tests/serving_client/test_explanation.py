"""Explanations: their parts in the order of the texts, over gRPC, REST and asyncio."""

import asyncio

from vaiven.serving.client import AsyncClient, AsyncVaiven, Client, Vaiven
from vaiven.serving.client.explanation import Explanation
from vaiven.serving.server.server_process import ServerProcess

TEXTS = ['gg ño x', '', 'xx', 'שלום g 👍🏽']


def test_each_text_gets_its_own_words_and_ngrams(client: Client) -> None:
    results = Vaiven(client).explain(TEXTS)
    assert [result.text for result in results] == TEXTS
    assert [[word.text for word in result.words] for result in results] == [text.split() for text in TEXTS]
    first = results[0]
    assert [word.value for word in first.words] == [0.5, -0.5, -0.5]
    assert (first.label, first.score) == ('negative', 0.75)


def test_the_ngrams_are_sorted_by_strength(client: Client) -> None:
    [result] = Vaiven(client).explain('gx gg xg gggx')
    assert [ngram.text for ngram in result.ngrams] == ['<gg', '<gggx', '<gx', '<xg']
    strengths = [abs(ngram.value) for ngram in result.ngrams]
    assert strengths == sorted(strengths, reverse=True)


def test_asyncio_gives_the_same(client: Client, server: ServerProcess) -> None:
    async def explained() -> list[Explanation]:
        async with AsyncClient(server.grpc_address) as twin:
            return await AsyncVaiven(twin).explain(TEXTS)

    assert asyncio.run(explained()) == Vaiven(client).explain(TEXTS)
