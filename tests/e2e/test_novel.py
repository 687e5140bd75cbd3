"""The novel writer as a user runs it: from a text file to text that a served model writes on."""

import hashlib
import io
import json
import os
import random
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.e2e.support import VAIVEN, vaiven, wait_until_none_mentions
from vaiven.pipeline import demo
from vaiven.pipeline.demo_inputs import DemoInputs
from vaiven.pipeline.progress_display import ProgressDisplay
from vaiven.serving.client import Client, InvalidRequestError, Vaiven
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
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


SCORED = 'El niño miraba por el mar. El niño miraba por el mar. '


@pytest.fixture(scope='module')
def folder(run, root, tmp_path_factory):
    """A working directory in which the model was pushed, with the files that the documentation names."""
    folder = tmp_path_factory.mktemp('score')
    for link in ('vaiven-runs/novel', 'models'):
        (folder / link).parent.mkdir(exist_ok=True)
        (folder / link).symlink_to(root if link != 'models' else root / 'serving')
    chapters = [SCORED * 3, 'La señora corría por la calle. ' * 4]
    (folder / 'chapters.txt').write_text('\n'.join(chapters) + '\n', encoding='utf-8')
    rows = (json.dumps({'text': text}) + '\n' for text in chapters)
    (folder / 'chapters.jsonl').write_text(''.join(rows), encoding='utf-8')
    return folder


def score(folder, *arguments, status=0, **environment):
    answer = subprocess.run(
        [*VAIVEN, 'score', *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )
    assert answer.returncode == status, answer
    assert 'Traceback' not in answer.stderr
    return answer


def digests(folder):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob('*') if path.is_file()
    }


def test_scores_are_those_of_the_client_and_their_mean_is_weighted_by_characters(server, folder):
    answer = score(folder, '--to', 'jsonl', '--file', 'chapters.txt', VAIVEN_SERVER=server.grpc_address)
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    with Client(server.grpc_address) as client:
        expected = Vaiven(client, 'novel').score([row['text'] for row in rows])
    for row, value in zip(rows, expected, strict=True):
        assert row['bits_per_character'] == pytest.approx(value.bits_per_character, rel=1e-5)
        assert row['tokens'] == value.tokens == row['characters'] == len(row['text'].strip()) + 1
    characters = sum(row['characters'] for row in rows)
    mean = sum(row['bits_per_character'] * row['characters'] for row in rows) / characters
    assert answer.stderr.startswith(
        f'mean of 2 texts, {characters} characters: {mean:.3f} bits per character, perplexity '
    )


def test_a_model_that_adapts_predicts_a_repetitive_text_better_and_its_files_do_not_change(root, folder):
    files = digests(root / 'serving')
    text = 'la el mar niño ' * 100
    first, second = (score(folder, '--adapt', '--to', 'jsonl', text) for _ in range(2))
    assert first.stdout == second.stdout
    assert 'using version 1 of vaiven-runs/novel/serving/novel in this process' in first.stderr
    row = json.loads(first.stdout)
    assert row['adapted_bits_per_character'] < row['bits_per_character'] - 0.2
    assert row['adapted_perplexity'] < row['perplexity']
    assert digests(root / 'serving') == files


def test_without_steps_the_adapted_scores_are_those_of_the_server(server, folder):
    options = '--adapt', '--learning-rate', '0', '--to', 'jsonl', '--file', 'chapters.jsonl'
    answer = score(folder, *options)
    with Client(server.grpc_address) as client:
        for line in answer.stdout.splitlines():
            row = json.loads(line)
            [value] = Vaiven(client, 'novel').score(row['text'])
            for name in ('bits_per_character', 'adapted_bits_per_character'):
                assert row[name] == pytest.approx(value.bits_per_character, abs=1e-4)


def shown_commands():
    """The commands `vaiven score` that the documentation and the help show."""
    pages = [(ROOT / page).read_text(encoding='utf-8') for page in ('docs/novel.md', 'docs/cli.md')]
    pages.append((ROOT / 'pipeline/commands/score.py').read_text(encoding='utf-8'))
    found = re.findall(r'^ {4,6}(vaiven score .*?)(?: +#.*)?$', '\n'.join(pages), re.MULTILINE)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize('command', shown_commands())
def test_every_shown_command_scores_texts(command, server, folder):
    (folder / 'scores.csv').unlink(missing_ok=True)
    place = {} if '--adapt' in command else {'VAIVEN_SERVER': server.grpc_address}
    shell = command.replace('vaiven', shlex.join(VAIVEN), 1)
    answer = subprocess.run(
        shell, shell=True, capture_output=True, text=True, cwd=folder, env={**os.environ, **place}
    )
    assert answer.returncode == 0, answer
    written = (folder / 'scores.csv').read_text('utf-8') if 'scores.csv' in command else answer.stdout
    assert len(written.splitlines()) >= 1


@pytest.mark.parametrize(
    ('options', 'status', 'said'),
    [
        (['--adapt', ''], 2, 'every text is empty'),
        (['--adapt', 'Ωψ 𝔸'], 2, 'a text must have characters or words that the model has seen'),
        (['--adapt', '--server', 'localhost:8500', 'x'], 2, 'it cannot use a server'),
        (['--adapt', '--rest', 'x'], 2, 'it cannot use a server'),
        (['--adapt', '--label', 'stable', 'x'], 2, 'only a server knows the label'),
        (['--adapt', '--model', 'reviews', 'x'], 1, "no pushed model 'reviews' with the signature score"),
        (['--adapt', '--version', '7', 'x'], 1, 'no pushed model of version 7'),
        (['--adapt', '--server', 'saved-model:models/novel', '--version', '7', 'x'], 2, 'no version 7'),
        (['--adapt', '--server', 'saved-model:vaiven-runs', 'x'], 2, 'must be a SavedModel, or the folder'),
        (['--adapt', '--server', 'saved-model:other/1', 'x'], 2, 'has no signature score'),
        (['--adapt', '--learning-rate', '1e30', SCORED * 5], 1, 'the adaptation diverged in text 1: lower'),
        (['--adapt', '--resume', '--out', 'a.csv', 'x'], 2, '--resume cannot continue what --adapt'),
        (['--adapt', '--window', '0', 'x'], 2, 'the window must have 1 to 1,000 tokens. Received: 0'),
        (['--learning-rate', '0.1', 'x'], 2, '--learning-rate is a setting of the adaptation: add --adapt'),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else '',
)
def test_what_cannot_be_scored_is_refused_in_one_line(options, status, said, folder):
    other = folder / 'other' / '1'
    other.mkdir(parents=True, exist_ok=True)
    (other / 'saved_model.pb').write_bytes(b'')
    refused = score(folder, *options, status=status)
    assert refused.stdout == ''
    lines = [line for line in refused.stderr.splitlines() if 'using version' not in line]
    assert len(lines) == 1
    assert said in lines[0]


def test_unknown_characters_are_counted(folder):
    answer = score(folder, '--adapt', 'El niño Ω miraba ΩΩ')
    assert '3 of 19 tokens are not in the vocabulary' in answer.stderr
