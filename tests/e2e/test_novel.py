"""The novel writer as a user runs it: from a text file to text that a served model writes on."""

import io
import json
import random
import re

import pytest

from tests.e2e.support import vaiven, wait_until_none_mentions
from vaiven.pipeline import demo
from vaiven.pipeline.demo_inputs import DemoInputs
from vaiven.pipeline.progress_display import ProgressDisplay
from vaiven.serving.client import Client, InvalidRequestError, Vaiven
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess

pytestmark = pytest.mark.slow

TINY = (
    'text.html=false',
    'data.passage_characters=300', 'network.units=48', 'network.embedding_size=16', 'network.dropout=0',
    'network.weight_dropout=0', 'training.window=32', 'training.epochs=8', 'training.learning_rate=0.02',
    'training.weight_averaging=0',
)  # fmt: skip


def book(count: int = 500) -> str:
    draw = random.Random(3)
    who, what, where = (
        ('El niño', 'La señora', 'Un perro'),
        ('miraba', 'soñaba', 'corría'),
        ('el mar', 'la calle'),
    )
    sentences = [f'{draw.choice(who)} {draw.choice(what)} por {draw.choice(where)}.' for _ in range(count)]
    paragraphs = [' '.join(sentences[start : start + 4]) for start in range(0, len(sentences), 4)]
    return '\n'.join(f'{number}. {paragraph}' for number, paragraph in enumerate(paragraphs))


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return tmp_path_factory.mktemp('novel') / 'root'


@pytest.fixture(scope='module')
def arguments(root):
    data = root.parent / 'book.txt'
    data.write_text(book(), encoding='utf-8')
    settings = [argument for setting in TINY for argument in ('--set', setting)]
    return ['--preset', 'novel', '--data', str(data), '--root', str(root), *settings]


@pytest.fixture(scope='module')
def run(arguments):
    result = vaiven('run', *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope='module')
def server(run, root):
    with ServerProcess('novel', root / 'serving' / 'novel') as running:
        yield running


def test_the_run_reports_bits_per_character_baselines_and_generated_text(run):
    assert 'version 1 pushed' in run.stdout
    [bits] = re.findall(
        r'^bits per character on [\d,]+ held-out characters +([\d.]+)$', run.stdout, re.MULTILINE
    )
    [simple] = re.findall(r'^  of the character frequencies +([\d.]+)$', run.stdout, re.MULTILINE)
    assert float(bits) < float(simple)
    assert re.search(r'distinct-1, -2, -3: \d+% \d+% \d+%; longest copied passage: «.+»', run.stdout)
    assert 'generated text over gRPC 127.0.0.1:' in run.stdout
    assert 'LinearBaseline' not in run.stdout
    assert run.stderr == ''


def test_nothing_changed_comes_from_the_cache_as_the_plan_says(run, arguments, root):
    assert wait_until_none_mentions(str(root)) == []
    plan = vaiven('plan', *arguments)
    assert plan.returncode == 0
    assert set(re.findall(r'^ *\d+  \w+ +(\w+)  ', plan.stdout, re.MULTILINE)) == {'cached', 'always'}


def test_a_thousand_characters_are_written_in_one_call_over_grpc_and_over_rest(server):
    settings = ['--length', '1000', '--seed', '7', '--to', 'jsonl', 'El niño ']
    over_grpc = vaiven('generate', '--server', server.grpc_address, *settings)
    over_rest = vaiven('generate', '--server', server.rest_url, *settings)
    assert over_grpc.stderr == ''
    found = json.loads(over_grpc.stdout)
    assert (found['text'], len(found['generated'])) == ('El niño ', 1000)
    assert over_rest.stdout == over_grpc.stdout


def test_the_demo_continues_equal_prompts_in_different_ways(server):
    shown = io.StringIO()
    demo._show_predictions(ProgressDisplay(shown), server, 'novel', DemoInputs(prompts=('',) * 4))
    _, *written = shown.getvalue().splitlines()
    assert len(set(written)) == 4


def test_an_empty_prompt_starts_a_text_and_no_repeat_breaks_the_loop_of_greedy_decoding(server):
    with Client(server.grpc_address) as client:
        novel = Vaiven(client, 'novel')
        [circle] = novel.generate('', length=1000, temperature=0)
        [free] = novel.generate('', length=1000, temperature=0, no_repeat=12)
    assert len(circle.generated) == len(free.generated) == 1000
    stretches = [free.generated[start : start + 12] for start in range(989)]
    assert len(set(stretches)) == len(stretches)
    assert len({circle.generated[start : start + 12] for start in range(989)}) < len(stretches)


def test_invalid_options_are_refused_in_one_line(server):
    for wish, words in (
        (['--length', '-5'], ['length must lie between 1 and 10000', 'Received: -5']),
        (['--length', '1000000000'], ['length must lie between 1 and 10000', 'Received: 1000000000']),
        (['--top-p', '0'], ['top_p must be above 0', 'Received: 0']),
        (['--temperature', '-1'], ['temperature must lie between', 'Received: -1']),
        (['--no-repeat', '-2'], ['no_repeat must be at least 1', 'Received: -2']),
        (['perro Ω 👍'], ['only characters that the model has seen', 'Received: Ω👍']),
    ):
        refused = vaiven('generate', '--server', server.grpc_address, *wish)
        assert refused.returncode == 2
        assert refused.stdout == ''
        assert refused.stderr.count('\n') == 1
        assert 'assertion' not in refused.stderr
        for word in words:
            assert word in refused.stderr


def test_a_language_model_scores_texts_and_has_no_classifier(server):
    with Client(server.grpc_address) as client:
        likely, unlikely = Vaiven(client, 'novel').score(
            ['El niño miraba por el mar.', 'ñiE leaam. br opa rloi mrn']
        )
        assert likely.bits_per_character < unlikely.bits_per_character
        with pytest.raises(ServingError, match='has no sentiment classifier'):
            Vaiven(client, 'novel').sentiment('El niño')
        with pytest.raises(InvalidRequestError, match="no signature 'classify'"):
            client.predict('novel', {'inputs': ['x']}, signature='classify')


def test_a_passage_that_would_be_cut_is_refused_before_anything_runs(arguments):
    refused = vaiven('run', *arguments, '--set', 'text.max_tokens=299')
    assert refused.returncode == 2
    assert 'text.max_tokens must be at least data.passage_characters=300' in refused.stderr
