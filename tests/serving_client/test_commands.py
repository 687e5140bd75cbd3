"""`vaiven predict`, `next`, `generate`, `serve` and `rollout`, as a shell runs them."""

import json
import math
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vaiven.serving.client import Client
from vaiven.serving.common import ports
from vaiven.serving.server.server_process import ServerProcess

COMMAND = [sys.executable, '-m', 'vaiven.pipeline.cli']


class Shell:
    """Runs commands against one server."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder

    def __call__(
        self, *arguments: str | bytes, stdin: bytes = b'', status: int = 0
    ) -> 'subprocess.CompletedProcess[bytes]':
        answer = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            env={**os.environ, 'VAIVEN_SERVER': self.address},
            cwd=self.folder,
            timeout=120,
        )
        assert answer.returncode == status, answer
        if status:
            assert answer.stderr.startswith(b'vaiven: ')
            assert answer.stderr.count(b'\n') == 1
            assert b'Traceback' not in answer.stderr
        else:
            assert answer.stderr == b''
        return answer

    def fails(self, status: int, *arguments: str | bytes, stdin: bytes = b'') -> str:
        return self(*arguments, stdin=stdin, status=status).stderr.decode()


@pytest.fixture(scope='module')
def shell(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(server.grpc_address, tmp_path_factory.mktemp('shell'))


def test_predict_writes_tab_separated_lines_into_a_pipe(shell: Shell) -> None:
    assert shell('predict', 'gg', 'año\tmalo', '').stdout.decode().splitlines() == [
        'positive\t1.000000\tgg',
        'negative\t1.000000\taño\\tmalo',
        'negative\t1.000000\t',
    ]


def test_predict_tells_the_course_of_a_text_line_by_line(shell: Shell) -> None:
    assert shell('predict', '--course', 'gg año', '', 'gx').stdout.decode().splitlines() == [
        '1\t1.000000\tgg',
        '1\t0.000000\taño',
        '3\t0.500000\tgx',
    ]
    (line,) = shell('predict', '--course', '--to', 'jsonl', 'gg año').stdout.splitlines()
    assert json.loads(line) == {'text': 'gg año', 'tokens': ['gg', 'año'], 'probabilities': [1.0, 0.0]}


def test_predict_explains_a_label_word_by_word(shell: Shell) -> None:
    assert shell('predict', '--explain', 'gg año').stdout.decode().splitlines() == [
        '1\tnegative\t0.714286\tgg\t0.500000',
        '1\tnegative\t0.714286\taño\t-0.500000',
    ]
    (line,) = shell('predict', '--explain', '--to', 'jsonl', 'gg año').stdout.splitlines()
    assert json.loads(line) == {
        'text': 'gg año',
        'label': 'negative',
        'score': pytest.approx(5 / 7),
        'words': [['gg', 0.5], ['año', -0.5]],
        'ngrams': [['<gg', 0.25], ['<año', -0.25]],
    }


@pytest.mark.parametrize(
    'options',
    [('--course', '--explain'), ('--explain', '--min-score', '0.7'), ('--explain', '--probabilities')],
)
def test_options_of_predict_that_contradict_each_other_are_refused(
    shell: Shell, options: tuple[str, ...]
) -> None:
    refused = shell('predict', *options, 'gg', status=2)
    assert 'leave out' in refused.stderr.decode()


def test_predict_reads_lines_from_standard_input_and_from_a_file(shell: Shell) -> None:
    lines = b'\xef\xbb\xbfgg\r\n\nga\n' + 'año 😀'.encode()
    answer = shell('predict', '--to', 'jsonl', stdin=lines)
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [each['text'] for each in found] == ['gg', '', 'ga', 'año 😀']
    assert found[0] == {'text': 'gg', 'label': 'positive', 'probability': 1.0}
    (shell.folder / 'texts.txt').write_bytes(lines)
    assert shell('predict', '--to', 'jsonl', '--file', 'texts.txt').stdout == answer.stdout


def test_many_lines_keep_their_order(shell: Shell) -> None:
    lines = [('g' * (i % 5) or 'a') + str(i) for i in range(1000)]
    answer = shell('predict', stdin='\n'.join(lines).encode())
    assert [line.split('\t')[2] for line in answer.stdout.decode().splitlines()] == lines


def in_terminal(shell: Shell, *arguments: str) -> str:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, 'predict', '--server', shell.address, *arguments],
        stdin=child, stdout=child, stderr=child, close_fds=True,
    )  # fmt: skip
    os.close(child)
    assert process.wait(60) == 0
    shown = os.read(parent, 4096).decode()
    os.close(parent)
    return shown


def test_a_terminal_gets_a_table_without_control_characters(shell: Shell) -> None:
    shown = in_terminal(shell, 'gggggg\x1b[2Jgg')
    assert 'positive' in shown
    assert '%  gggggg [2Jgg' in shown
    assert '\x1b[2J' not in shown


def test_a_terminal_gets_a_bar_for_each_token(shell: Shell) -> None:
    shown = in_terminal(shell, '--course', 'gg \x1b[2J gx')
    assert '100.0%' in shown
    assert '█' * 20 in shown
    assert '█' * 10 + ' ' * 10 in shown
    assert '\x1b[2J' not in shown


def test_a_terminal_gets_coloured_words_with_the_strongest_below(shell: Shell) -> None:
    shown = in_terminal(shell, '--explain', 'gg \x1b[2J gx')
    assert '\x1b[32m\x1b[1mgg\x1b[0m' in shown
    assert 'for' in shown
    assert 'against' in shown
    assert '\x1b[2J' not in shown


def test_predict_over_rest_and_by_version(shell: Shell, server: ServerProcess) -> None:
    rest = server.rest_url.removeprefix('http://')
    over_grpc = shell('predict', '--version', '1', 'ga').stdout
    assert shell('predict', '--rest', '--server', rest, '--version', '1', 'ga').stdout == over_grpc
    assert shell('predict', '--server', server.rest_url, 'ga').stdout == over_grpc


def test_next_shows_words_with_probabilities(shell: Shell) -> None:
    assert shell('next', 'the', '--k', '2').stdout == b'the\tthe+0\t0.367879\nthe\tthe+1\t0.135335\n'
    (found,) = (
        json.loads(line) for line in shell('next', '--to', 'jsonl', '--k', '1', 'la').stdout.splitlines()
    )
    assert found['text'] == 'la'
    assert [each['token'] for each in found['next']] == ['la+0']


def test_score_writes_bits_perplexity_counts_and_the_text(shell: Shell, server: ServerProcess) -> None:
    answer = shell('score', '--model', 'reviews', 'año\t')
    bits, perplexity, tokens, characters, text = answer.stdout.decode().rstrip('\n').split('\t')
    assert (perplexity, tokens, text) == ('2.718282', '5', 'año\\t')
    assert float(bits) * int(characters) == pytest.approx(5 / math.log(2), abs=1e-4)
    over_rest = shell('score', '--model', 'reviews', '--server', server.rest_url, 'año\t')
    assert over_rest.stdout == answer.stdout


def test_score_ends_with_the_mean_on_standard_error_and_needs_no_tensorflow(shell: Shell) -> None:
    code = (
        'import sys; from vaiven.pipeline import cli; '
        "status = cli.run(['score', '--model', 'reviews', 'ab', 'abcd']); print(status, 'tensorflow' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        env={**os.environ, 'VAIVEN_SERVER': shell.address},
        check=True,
    )
    assert answer.stdout.splitlines()[-1] == '0 False'
    assert answer.stderr.startswith(
        'mean of 2 texts, 9 characters: 0.962 bits per character, perplexity 2.72'
    )


def test_generate_prints_the_prompt_and_its_continuation(shell: Shell, server: ServerProcess) -> None:
    options = ['--model', 'reviews', '--seed', '5', '--length', '7', '--temperature', '0.5']
    options += ['--top-p', '0.25', '--top-k', '3', '--no-repeat', '4']
    told = '7 0.5 0.25 3 4 5'
    lines = shell('generate', 'En un lugar', 'año\t', *options).stdout.decode().splitlines()
    assert lines == [f'En un lugar ñ {told} 0', f'año\\t ñ {told} 1']
    over_rest = shell('generate', '--server', server.rest_url, 'En un lugar', 'año\t', *options).stdout
    assert over_rest.decode().splitlines() == lines


def test_generate_without_a_prompt_writes_count_texts_from_scratch(shell: Shell) -> None:
    answer = (
        shell('generate', '--model', 'reviews', '--count', '34', '--seed', '5', '--to', 'jsonl')
        .stdout.decode()
        .splitlines()
    )
    found = [json.loads(line) for line in answer]
    assert {each['text'] for each in found} == {''}
    assert (
        len({each['generated'] for each in found}) == 34
    )  # more than one request: each has a seed of its own
    assert {each['seed'] for each in found} == {5, 6}


def test_generate_without_a_seed_writes_something_else_each_time(shell: Shell) -> None:
    seeds = {
        json.loads(shell('generate', '--model', 'reviews', '--to', 'jsonl').stdout)['seed'] for _ in range(3)
    }
    assert len(seeds) == 3


def test_generate_reads_prompts_from_a_file_or_standard_input(shell: Shell) -> None:
    answer = shell(
        'generate', '--model', 'reviews', '--file', '-', '--seed', '1', stdin='¿qué\n\n'.encode()
    ).stdout.decode()
    assert [line.partition(' ñ ')[0] for line in answer.splitlines()] == ['¿qué', '']


def test_a_usage_error_is_reported_in_one_line(shell: Shell, server: ServerProcess) -> None:
    rest = server.rest_url
    assert "has no model 'films'" in shell.fails(2, 'predict', '--model', 'films', 'g')
    assert 'version 9' in shell.fails(2, 'predict', '--version', '9', 'g')
    assert "has no label 'gold'" in shell.fails(2, 'predict', '--label', 'gold', 'g')
    assert 'not both' in shell.fails(2, 'predict', '--label', 'a', '--version', '1', 'g')
    assert 'not both' in shell.fails(2, 'predict', '--file', 'x', 'g')
    assert 'No such file' in shell.fails(2, 'predict', '--file', 'nothing.txt')
    assert 'directory' in shell.fails(2, 'predict', '--file', '.')
    assert 'holds no text' in shell.fails(2, 'predict')
    assert 'must be UTF-8' in shell.fails(2, 'predict', b'\xff')
    assert 'an address must be host:port' in shell.fails(2, 'predict', '--server', 'nonsense', 'g')
    assert 'is not in the range' in shell.fails(2, 'next', '--k', '0', 'g')
    assert 'not be empty' in shell.fails(2, 'predict', '--model', '', 'g')
    assert "'--version'" in shell.fails(2, 'predict', '--version', str(2**63), 'g')
    for option in ('--model', '--label', '--server'):
        told = shell.fails(2, 'predict', option, b'\xff', 'g')
        assert f"'{option}'" in told
        assert "must be UTF-8. Received: '\\udcff'" in told
    for seconds in ('inf', 'nan', '1e7', '0'):
        assert "'--timeout'" in shell.fails(2, 'predict', '--rest', '--timeout', seconds, 'g')
    assert "'--patience'" in shell.fails(2, 'generate', '--patience', 'nan')
    refused = 'vaiven: the server refused the request: top_p must be above 0 and at most 1. Received: '
    assert shell.fails(2, 'generate', '--model', 'reviews', '--top-p', '0') == f'{refused}0\n'
    assert (
        shell.fails(2, 'generate', '--model', 'reviews', '--top-p', '-0.5', '--server', rest)
        == f'{refused}-0.5\n'
    )
    assert "has no model 'novel'" in shell.fails(2, 'generate')
    assert 'length must be a 32-bit integer' in shell.fails(2, 'generate', '--length', str(10**12))
    assert 'is not in the range' in shell.fails(2, 'generate', '--count', '0')


def test_a_line_that_is_not_utf8_is_reported_after_the_results_before_it(shell: Shell) -> None:
    answer = shell('predict', stdin=b'gg\nga\n\xff\xfe\ngg\n', status=2)
    assert answer.stdout == b'positive\t1.000000\tgg\nnegative\t0.500000\tga\n'
    assert b'standard input, line 3: ' in answer.stderr


def test_no_server_ends_with_1_and_says_how_to_start_one(shell: Shell) -> None:
    (port,) = ports.free('127.0.0.1', 1)
    assert '`vaiven serve`' in shell.fails(1, 'predict', '--server', f'127.0.0.1:{port}', 'g')
    assert '`vaiven serve`' in shell.fails(1, 'rollout', 'status', '--server', f'127.0.0.1:{port}')


def test_serve_without_a_model_names_the_remedy(shell: Shell, pushed: Path) -> None:
    assert '`vaiven run`' in shell.fails(2, 'serve')
    assert 'there is no folder' in shell.fails(2, 'serve', 'nothing')
    assert 'has no versions' in shell.fails(2, 'serve', str(shell.folder))
    assert f'did you mean {pushed}?' in shell.fails(2, 'serve', str(pushed / '1'))


def test_serve_names_a_port_that_is_taken(shell: Shell, server: ServerProcess, pushed: Path) -> None:
    port = server.grpc_address.split(':')[1]
    answer = subprocess.run(
        [*COMMAND, 'serve', str(pushed), '--port', port, '--rest-port', '0'], capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith(f'vaiven: port {port} on 127.0.0.1 cannot be used')


@pytest.mark.usefixtures('started_processes')
def test_serve_finds_the_pushed_model_rolls_out_and_ends_in_good_order(pushed: Path, tmp_path: Path) -> None:
    shutil.copytree(pushed.parents[2], tmp_path / 'vaiven-runs')
    port, rest_port = ports.free('127.0.0.1', 2)
    address = f'127.0.0.1:{port}'
    with (tmp_path / 'log').open('wb') as log:
        process = subprocess.Popen(
            [*COMMAND, 'serve', '--port', str(port), '--rest-port', str(rest_port)],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    try:
        with Client(address) as client:
            client.wait_until_available('reviews', version=2, timeout=120)
            client.wait_until_available('reviews', version=3, timeout=120)
        shell = Shell(address, tmp_path)
        assert b'no version is stable' in shell('rollout', 'status').stdout
        assert 'promote one first' in shell.fails(2, 'rollout', 'rollback')
        assert 'has no version 9; it has: 3, 2, 1' in shell.fails(2, 'rollout', 'promote', '9')
        assert shell('rollout', 'promote', '3').stdout == b'reviews: version 3 is stable\n'
        assert shell('rollout', 'rollback').stdout == b'reviews: version 2 is stable (previously 3)\n'
        assert shell('rollout', 'promote', '2').stdout == b'reviews: version 2 is already stable\n'
        now = json.loads(shell('rollout', 'status', '--json').stdout)
        assert [(each['version'], each['state'], each['labels']) for each in now['versions']] == [
            (3, 'AVAILABLE', []),
            (2, 'AVAILABLE', ['stable']),
            (1, '-', []),
        ]
        assert shell('predict', '--label', 'stable', 'gg').stdout == b'positive\t1.000000\tgg\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    said = (tmp_path / 'log').read_text()
    assert (
        said.splitlines()[0]
        == f'reviews: the newest 2 versions of {tmp_path}/vaiven-runs/reviews/serving/reviews'
    )
    assert 'Traceback' not in said


def test_a_server_with_tls_that_asks_for_a_token_and_a_certificate(
    pushed: Path, tmp_path: Path, certificates: Path
) -> None:
    texts = {name: (certificates / name).read_text() for name in ('server.key', 'server.pem', 'client.pem')}
    (tmp_path / 'ssl.config').write_text(
        f'server_key: {json.dumps(texts["server.key"])} server_cert: {json.dumps(texts["server.pem"])} '
        f'custom_ca: {json.dumps(texts["client.pem"])} client_verify: true'
    )
    (tmp_path / 'tokens').write_text('a-good-token\n')
    (tmp_path / 'bad').write_text('a-bad-token\n')
    (tmp_path / 'empty').write_text('\n')
    flags = {
        'ssl_config_file': tmp_path / 'ssl.config',
        'rest_api_tls': True,
        'auth_tokens_file': tmp_path / 'tokens',
    }
    own = ['--certificate', f'{certificates}/client.pem', '--key', f'{certificates}/client.key']
    with ServerProcess('reviews', pushed, flags=flags) as server:
        secured = ['--ca', f'{certificates}/server.pem', *own]
        for address in ([server.grpc_address], [server.rest_url.removeprefix('http://'), '--rest']):
            shell = Shell(address[0].replace('127.0.0.1', 'localhost'), tmp_path)
            asked = ['predict', *address[1:], 'gg']
            good = shell(*asked, *secured, '--token-file', 'tokens')
            assert good.stdout == b'positive\t1.000000\tgg\n'
            assert 'UNAUTHENTICATED' in shell.fails(1, *asked, *secured, '--token-file', 'bad')
            shell.fails(1, *asked, '--token-file', 'tokens')
            assert 'mutual TLS needs a certificate and its key' in shell.fails(2, *asked, *own[:2])
            assert 'empty is empty' in shell.fails(2, *asked, *secured, '--token-file', 'empty')
            assert 'cannot read the token' in shell.fails(2, *asked, *secured, '--token-file', 'nothing')
