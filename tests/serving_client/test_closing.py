"""A client that is closed ends the requests that are under way, and says that it was that."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from tests.serving_client.listening import Listening
from vaiven.serving.client import AsyncClient, Client, RequestError

FORMS = ['127.0.0.1:{}', 'http://127.0.0.1:{}']


@pytest.fixture
def silent() -> Iterator[Listening]:
    with Listening(lambda connection: time.sleep(30)) as server:
        yield server


@pytest.mark.parametrize('form', FORMS)
def test_closing_ends_what_is_under_way(form: str, silent: Listening) -> None:
    client, codes = Client(form.format(silent.port)), []

    def ask() -> None:
        try:
            client.status('m')
        except RequestError as error:
            codes.append(error.code)

    asking = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
    for thread in asking:
        thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    client.close()
    for thread in asking:
        thread.join(10)
    assert codes == ['CANCELLED'] * 3
    assert time.monotonic() - began < 5
    client.close()


@pytest.mark.parametrize('form', FORMS)
def test_closing_the_twin_of_asyncio_does_too(form: str, silent: Listening) -> None:
    async def work() -> str:
        client = AsyncClient(form.format(silent.port))
        asking = asyncio.create_task(client.status('m'))
        await asyncio.sleep(0.3)
        await client.close()
        with pytest.raises(RequestError) as caught:
            await asyncio.wait_for(asking, 5)
        return caught.value.code

    assert asyncio.run(work()) == 'CANCELLED'


def test_a_caller_that_is_cancelled_stays_so(silent: Listening) -> None:
    async def work() -> None:
        client = AsyncClient(f'127.0.0.1:{silent.port}')
        asking = asyncio.create_task(client.status('m'))
        await asyncio.sleep(0.3)
        asking.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(work())
