"""The client benchmark at its smallest: every figure is there and every answer is looked at. No time is asserted."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import client_cold, client_overhead, client_stream
from benchmarks.client_plan import Plan
from benchmarks.serving_processes import Child
from benchmarks.serving_setup import Subject, trivial

pytestmark = pytest.mark.slow

PLAN = Plan(seconds=0.05, repeats=2, starts=1, lines=300, load_seconds=0.2)

MODEL = """
import sys
import tensorflow as tf

class Says(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'text')])
    def sentiment(self, text):
        ones = tf.ones_like(tf.strings.length(text), tf.float32)
        return {'probability': ones, 'label': tf.fill(tf.shape(text), 'positive')}

says = Says()
tf.saved_model.save(says, sys.argv[1], signatures={'serving_default': says.sentiment})
"""


@pytest.fixture(scope='module')
def half(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp('models') / 'trivial'
    with Child('serving_models', 'trivial', str(folder)) as child:
        child.read()
    return trivial(folder)


@pytest.fixture(scope='module')
def says(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp('models') / 'says'
    subprocess.run([sys.executable, '-c', MODEL, str(folder / '1')], check=True, capture_output=True)
    return Subject('says', folder, [{'text': ['qué película, ¡qué año!']}, {'text': ['a b c']}])


def test_a_call_is_compared_with_a_stub_for_each_kind_and_number_of_callers(
    half: Subject, tmp_path: Path
) -> None:
    found = client_overhead.overhead(PLAN, half, None, tmp_path)
    for kind in ('waiting', 'asyncio'):
        for callers in (1, 32):
            ratio = found['ratios'][f'client / stub, trivial, {kind}, {callers} callers']
            assert (len(ratio['values']), ratio['target']) == (2, 'at most 1.15')
            assert all(value > 0 for value in ratio['values'])


def test_every_line_is_answered_in_order_beside_the_load_generator(
    half: Subject, says: Subject, tmp_path: Path
) -> None:
    found = client_stream.stream(PLAN, half, says, tmp_path)
    assert (found['lines'], found['lines_out_of_order']) == (300, 0)
    assert found['texts_a_second']['load generator']['mean'] > 0
    assert len(found['ratios']['vaiven predict / load generator, texts a second']['values']) == 2
    assert len(set((tmp_path / 'texts.txt').read_text().splitlines())) > 1


def test_a_cold_start_is_compared_with_an_empty_python(half: Subject, says: Subject, tmp_path: Path) -> None:
    found = client_cold.cold(PLAN, half, says, tmp_path)
    assert set(found['seconds']) == {'vaiven predict', 'importing the client', 'an empty Python'}
    assert found['ratios']['importing the client, MB']['mean'] > 10
