"""A SavedModel in this process answers as the server does; run in a process of its own, for it imports TensorFlow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vaiven.serving.client import Client
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess

ASK = """
import asyncio, json, shutil, sys, threading
from vaiven.serving.client import AsyncClient, Client, RequestError, Vaiven

address, name, coming, base = sys.argv[1:]

def told(ask):
    try:
        return ask()
    except RequestError as error:
        return type(error).__name__, error.code, str(error).replace(address, 'there')

def asked(client):
    vaiven = Vaiven(client, name, batch_rows=8)
    texts = ['g' * (number % 5) + 'ñ 🙂' * (number % 2) for number in range(40)]
    return {
        'sentiment': [(each.label, each.probability) for each in vaiven.sentiment(texts)],
        'classify': client.classify(name, [{'text': 'ga'}]),
        'regress': client.regress(name, [{'text': 'ga'}]),
        'version': client.metadata(name).version,
        'health': client.health(),
        'count': str(client.predict(name, {'n': 3}, signature='count')['again'].dtype),
        'errors': [told(ask) for ask in (
            lambda: client.predict('other', {'text': ['g']}),
            lambda: client.predict(name, {'text': ['g']}, signature='paint'),
            lambda: client.predict(name, {'text': ['g']}, version=9),
            lambda: client.predict(name, {'text': ['g']}, label='gold'),
            lambda: vaiven.generate('a', top_p=0),
        )],
    }

with Client(address) as client:
    answers = asked(client)
    if coming:
        shutil.copytree(coming, base + '/coming')
        shutil.move(base + '/coming', base + '/3')
        client.wait_until_available(name, version=3, timeout=60)
        answers['after'] = client.metadata(name).version
answers['closed'] = told(lambda: client.status(name))[1]

async def twin():
    async with AsyncClient(address) as client:
        return (await client.predict(name, {'text': ['gg']}))['label'].tolist()[0].decode()

answers['twin'] = asyncio.run(twin())
print(json.dumps(answers))
"""


CLOSE = """
import json, sys, threading, time
from vaiven.serving.client import Client, RequestError

client = Client(sys.argv[1])
client.predict('reviews', {'text': ['g']})
codes = []

def ask():
    try:
        client.predict('reviews', {'text': ['g']}, timeout=60)
    except RequestError as error:
        codes.append(error.code)

# In the place of a model that takes its time.
async def slow(request, deadline):
    import asyncio
    await asyncio.sleep(60)

client._transport._answers['Predict'] = slow
asking = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
for thread in asking:
    thread.start()
time.sleep(0.3)
client.close()
client.close()
for thread in asking:
    thread.join(10)
print(json.dumps(codes))
"""


def run(address: str, name: str, coming: str = '', base: str = '') -> dict[str, object]:
    answer = subprocess.run(
        [sys.executable, '-c', ASK, address, name, coming, base],
        capture_output=True,
        text=True,
        env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''},
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def test_it_answers_and_fails_as_the_server_does(server: ServerProcess, pushed: Path, tmp_path: Path) -> None:
    base = tmp_path / 'reviews'
    shutil.copytree(pushed / '2', base / '2')
    here = run(f'saved-model:{base}', 'reviews', str(pushed / '3'), str(base))
    there = run(server.grpc_address, 'reviews')
    assert here.pop('after') == 3
    assert here == there


def test_closing_it_ends_what_is_under_way(pushed: Path) -> None:
    answer = subprocess.run(
        [sys.executable, '-c', CLOSE, f'saved-model:{pushed}'],
        capture_output=True,
        text=True,
        env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''},
    )
    assert (answer.returncode, answer.stdout) == (0, '["CANCELLED", "CANCELLED", "CANCELLED"]\n'), (
        answer.stderr
    )
    assert 'Task was destroyed' not in answer.stderr


@pytest.mark.parametrize(('folder', 'name'), [('reviews/2', 'reviews'), ('mine', 'mine')])
def test_one_saved_model_is_enough(pushed: Path, tmp_path: Path, folder: str, name: str) -> None:
    shutil.copytree(pushed / '2', tmp_path / folder)
    found = run(f'saved-model:{tmp_path / folder}', name)
    assert found['health'] is True
    assert found['version'] == (2 if name == 'reviews' else 1)


def test_the_command_line_takes_it_too(pushed: Path) -> None:
    command = [sys.executable, '-m', 'vaiven.pipeline.cli', 'predict', '--server', f'saved-model:{pushed}']
    answer = subprocess.run([*command, 'gg', 'año'], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, '')
    assert answer.stdout == 'positive\t1.000000\tgg\nnegative\t1.000000\taño\n'


def test_a_folder_that_holds_no_model_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match='there is no folder'):
        Client(f'saved-model:{tmp_path}/nothing')
    with pytest.raises(ServingError, match='is not a SavedModel'):
        Client(f'saved-model:{tmp_path}')


def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    (tmp_path / '1').mkdir()
    (tmp_path / '1' / 'saved_model.pb').write_bytes(b'no model')
    code = 'import sys; from vaiven.serving.client import *; Vaiven(Client(sys.argv[1])).sentiment("g")'
    answer = subprocess.run(
        [sys.executable, '-c', code, f'saved-model:{tmp_path}'], capture_output=True, text=True
    )
    assert 'could be loaded' in answer.stderr.splitlines()[-1]
