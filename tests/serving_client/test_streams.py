"""`vaiven predict` on files and streams: every form in and out, pauses, restarts, and interrupted runs."""

import csv
import gzip
import io
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serving_client.test_commands import COMMAND, Shell
from vaiven.serving.common import ports
from vaiven.serving.server.server_process import ServerProcess

TEXTS = ['gg', 'año, malo', 'ella dijo "gg"', '¿gü?', 'שלום g', 'g😀g', '', 'dos\nlíneas g', 'g\rg', 'g\r\ng']
ROWS = [[str(number), text] for number, text in enumerate(TEXTS)]


@pytest.fixture(scope='module')
def shell(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(server.grpc_address, tmp_path_factory.mktemp('shell'))


def as_csv(rows: list[list[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


def as_jsonl(values: list[dict[str, Any]]) -> bytes:
    return b''.join(json.dumps(value, ensure_ascii=False).encode() + b'\n' for value in values)


def texts_in(jsonl: bytes) -> list[str]:
    return [json.loads(line)['text'] for line in jsonl.splitlines()]


@pytest.mark.parametrize(
    ('name', 'content', 'texts'),
    [
        ('reviews.csv', as_csv([['id', 'body'], *ROWS]), TEXTS),
        ('REVIEWS.CSV', b'\xef\xbb\xbf' + as_csv([['body'], ['gg'], ['g']]), ['gg', 'g']),
        ('reviews.tsv', '\n'.join('\t'.join(row) for row in [['id', 'body'], *ROWS[:7]]).encode(), TEXTS[:7]),
        ('one.tsv', b'body\r\ngg\r\n\r\ng\r\n', ['gg', '', 'g']),
        ('reviews.jsonl', as_jsonl([{'body': text, 'n': 1} for text in TEXTS]) + b'\n\n', TEXTS),
        ('reviews.jsonl.gz', gzip.compress(as_jsonl([{'body': text} for text in TEXTS])), TEXTS),
        ('reviews.csv.gz', gzip.compress(as_csv([['body'], *([text] for text in TEXTS)])), TEXTS),
        ('reviews.txt', '\r\n'.join([*TEXTS[:7], 'g']).encode(), [*TEXTS[:7], 'g']),
        ('reviews', '\n'.join(TEXTS[:6]).encode(), TEXTS[:6]),
    ],
)
def test_a_file_is_read_as_its_name_says(shell: Shell, name: str, content: bytes, texts: list[str]) -> None:
    (shell.folder / name).write_bytes(content)
    answer = shell('predict', '--file', name, '--field', 'body', '--to', 'jsonl')
    assert texts_in(answer.stdout) == texts


def test_standard_input_is_read_as_the_option_says(shell: Shell) -> None:
    for form, content in (('csv', as_csv([['text'], *([text] for text in TEXTS)])),
                          ('jsonl', as_jsonl([{'text': text} for text in TEXTS]))):  # fmt: skip
        assert texts_in(shell('predict', '--from', form, '--to', 'jsonl', stdin=content).stdout) == TEXTS
    as_lines = shell('predict', '--from', 'lines', '--to', 'jsonl', stdin=b'{"text": "g"}\n')
    assert texts_in(as_lines.stdout) == ['{"text": "g"}']


def test_csv_answers_can_be_read_back(shell: Shell) -> None:
    answer = shell('predict', '--to', 'csv', '--from', 'jsonl', stdin=as_jsonl([{'text': t} for t in TEXTS]))
    rows = list(csv.DictReader(io.StringIO(answer.stdout.decode(), newline='')))
    assert [row['text'] for row in rows] == TEXTS
    assert (rows[0]['label'], rows[0]['probability']) == ('positive', '1.000000')
    words = shell('next', '--to', 'csv', '--k', '1', 'año, "g"').stdout.decode()
    assert words == 'text,token,probability\n"año, ""g""","año, ""g""+0",0.367879\n'
    tokens = shell('predict', '--course', '--to', 'csv', 'gg a', 'g').stdout.decode()
    assert tokens == 'number,probability,token\n1,1.000000,gg\n1,0.000000,a\n2,1.000000,g\n'
    written = shell('generate', '--model', 'reviews', '--to', 'csv', '--seed', '1', 'a,b').stdout.decode()
    assert next(iter(csv.DictReader(io.StringIO(written))))['text'] == 'a,b'


@pytest.mark.parametrize(
    ('form', 'content', 'rule'),
    [
        ('csv', b'', 'the file is empty; its first line must name the columns'),
        ('tsv', b'', 'the file is empty; its first line must name the columns'),
        ('jsonl', b'', 'holds no text: give one JSON object per line'),
        (
            'csv',
            b'id,body\n1,g\n',
            "no column is named 'text'; there are: 'id', 'body'; name one with --field",
        ),
        ('csv', b'text,id\ng\n', 'standard input, line 2: the row has 1 fields, the header 2'),
        ('tsv', b'text\tid\ng\n', 'standard input, line 2: the row has 1 fields, the header 2'),
        ('csv', b'text\n"g\n', 'the quotation mark is never closed'),
        ('csv', b'text\n"g" g\n', 'standard input, line 2: not csv'),
        ('jsonl', b'{"text": "g"}\n{"text"\n', 'standard input, line 2: not JSON'),
        ('jsonl', b'["g"]\n', 'line 1: holds list, no object; each line is one object, as {"text"'),
        ('jsonl', b'{"id": 1}\n', "no key is named 'text'; there are: 'id'; name one with --field"),
        ('jsonl', b'{"text": 3}\n', "'text' holds 3, no text"),
        ('jsonl', b'{"text": "\\ud800"}\n', 'half of a surrogate pair'),
        ('lines', b'g' * (17 << 20), 'line 1: the row is larger than 16777216 bytes'),
    ],
)
def test_input_that_is_broken_is_told_by_line(shell: Shell, form: str, content: bytes, rule: str) -> None:
    assert rule in shell.fails(2, 'predict', '--from', form, stdin=content)


@pytest.mark.parametrize('command', [['predict'], ['predict', '--course'], ['next']])
def test_an_ending_that_no_answers_have_is_refused(shell: Shell, command: list[str]) -> None:
    for name in (
        'answers.parquet',
        'answers.json',
        'answers.csv.gz',
        'answers.CSV.ZST',
        'answers.xlsx',
        'a.b/c.xml',
    ):
        told = shell.fails(2, *command, '--out', name, 'g')
        assert 'the name of an output file must end in .csv, .jsonl, .tsv, .txt, not in ' in told
        assert told.count('\n') == 1
        assert not (shell.folder / name).exists()


def test_an_ending_holds_in_any_case_and_an_unknown_one_with_the_form(shell: Shell) -> None:
    for name, options, start in (
        ('shouted.CSV', (), b'label,'),
        ('shouted.JsonL', (), b'{"text"'),
        ('answers.data', ('--to', 'csv'), b'label,'),
        ('answers.txt', ('--to', 'jsonl'), b'{"text"'),
        ('plain.TXT', (), b'positive\t'),
        ('plain', (), b'positive\t'),
    ):
        shell('predict', '--out', name, *options, 'g')
        assert (shell.folder / name).read_bytes().startswith(start), name


def test_a_form_that_the_name_contradicts_is_refused(shell: Shell) -> None:
    for name, form in (
        ('b.csv', 'jsonl'), ('b.jsonl', 'csv'), ('b.tsv', 'csv'), ('b.csv.gz', 'csv'), ('b.parquet', 'text'),
    ):  # fmt: skip
        told = shell.fails(2, 'predict', '--out', name, '--to', form, 'g')
        assert f'--to {form} does not fit a name that ends in .{name.rpartition(".")[2]}' in told
        assert not (shell.folder / name).exists()


@pytest.mark.parametrize(
    ('content', 'advice'),
    [
        (b'{"id": 1, "text": "g"}\n{"text": "gg"}\n', 'looks like jsonl: add --from jsonl'),
        (b'id,text\n1,g\n', "looks like csv with a column 'text': add --from csv;"),
        (b'\xef\xbb\xbfid,Text\r\n1,g\r\n', "with a column 'Text': add --from csv --field Text;"),
        (b'text\tid\ng\t1\n', 'add --from tsv;'),
        (b'id;text\n1;g\n', 'add --from csv, and a first line sep=;;'),
        (b'__label__1 g\n', 'looks like fastText lines'),
    ],
)
def test_a_table_in_a_pipe_is_not_read_as_lines(shell: Shell, content: bytes, advice: str) -> None:
    for source in ('standard input', 'reviews-without-ending'):
        (shell.folder / source).write_bytes(content)
        named = () if source == 'standard input' else ('--file', source)
        answer = shell('predict', *named, '--to', 'csv', '--out', 'a.csv', stdin=content, status=2)
        told = answer.stderr.decode()
        assert advice in told
        assert told.startswith(f'{source}: ') or f' {source}: ' in told
        assert told.count('\n') == 1
        assert 'add --from lines' in told
        assert (shell.folder / 'a.csv').read_bytes() == b''  # so that the right command can write it
    lines = shell('predict', '--from', 'lines', '--to', 'jsonl', stdin=content).stdout
    assert len(texts_in(lines)) == content.count(b'\n')


def test_lines_that_may_be_a_table_are_answered_and_told(shell: Shell) -> None:
    answer = subprocess.run(
        [*COMMAND, 'predict', '--server', shell.address, '--to', 'jsonl'],
        input=b'text, label\ng, 1\n', capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    assert texts_in(answer.stdout) == ['text, label', 'g, 1']
    assert 'may be the header of csv' in answer.stderr.decode()
    assert answer.stderr.count(b'\n') == 1
    (shell.folder / 'lines.txt').write_text('text,label\ng,1\n')
    answer = shell('predict', '--to', 'jsonl', '--file', 'lines.txt')
    assert (texts_in(answer.stdout), answer.stderr) == (['text,label', 'g,1'], b'')


def test_lines_of_fasttext_in_a_text_file_are_refused(shell: Shell) -> None:
    (shell.folder / 'train.txt').write_text('__label__1 g\n')
    told = shell('predict', '--file', 'train.txt', status=2).stderr.decode()
    assert 'train.txt: looks like fastText lines: use a file named NAME.ft.txt' in told
    assert told.count('\n') == 1


def test_sentences_with_commas_and_braces_stay_lines(shell: Shell) -> None:
    texts = ['The text, the label, and all.', 'Yes, sure', '{sic} "g": so', 'text, please call me', 'g;g | g']
    for first in range(len(texts)):
        turned = [*texts[first:], *texts[:first]]
        answer = shell('predict', '--to', 'jsonl', stdin='\n'.join(turned).encode())
        assert (texts_in(answer.stdout), answer.stderr) == (turned, b'')


def test_a_pipe_and_another_encoding_are_read(shell: Shell) -> None:
    os.mkfifo(shell.folder / 'pipe.csv')
    writer = subprocess.Popen(['sh', '-c', 'printf "text\\ng\\361g\\n" > pipe.csv'], cwd=shell.folder)
    answer = shell('predict', '--file', 'pipe.csv', '--encoding', 'latin-1', '--to', 'jsonl')
    assert writer.wait(60) == 0
    assert texts_in(answer.stdout) == ['gñg']
    told = shell.fails(2, 'predict', '--from', 'csv', stdin=b'text\ng\x92g\n')
    assert '--encoding cp1252' in told
    assert 'must be a text encoding' in shell.fails(2, 'predict', '--encoding', 'klingon', 'g')


def test_options_that_do_not_go_together_are_told(shell: Shell) -> None:
    assert 'not both' in shell.fails(2, 'predict', '--from', 'csv', 'g')
    assert 'name it with --out' in shell.fails(2, 'predict', '--resume', 'g')
    assert 'add --to jsonl' in shell.fails(2, 'next', '--resume', '--out', 'words.csv', 'g')
    assert 'cannot write nowhere/answers' in shell.fails(2, 'predict', '--out', 'nowhere/answers', 'g')
    (shell.folder / 'broken.jsonl.gz').write_bytes(b'no gzip')
    told = shell.fails(2, 'predict', '--out', '/dev/full', '--resume', 'g')
    assert 'cannot write /dev/full: No space left on device' in told
    assert 'broken.jsonl.gz: is not a whole gzip file' in shell.fails(
        2, 'predict', '--file', 'broken.jsonl.gz'
    )


def test_standard_output_that_is_full_is_told(shell: Shell) -> None:
    with Path('/dev/full').open('wb') as full:
        answer = subprocess.run(
            [*COMMAND, 'predict', '--server', shell.address, 'g'], stdout=full, stderr=subprocess.PIPE
        )
    assert answer.returncode == 2
    assert answer.stderr == b'vaiven: cannot write standard output: No space left on device\n'


def test_a_line_is_answered_while_the_input_pauses(shell: Shell) -> None:
    for form, first, lines in (
        ('lines', b'', [b'gg\n', b'a\n']),
        ('csv', b'text\n', [b'gg\n', b'a\n']),
        ('jsonl', b'', [b'{"text": "gg"}\n', b'{"text": "a"}\n']),
    ):
        process = subprocess.Popen(
            [*COMMAND, 'predict', '--server', shell.address, '--from', form],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(first)
        for line, answer in zip(
            lines, (b'positive\t1.000000\tgg\n', b'negative\t1.000000\ta\n'), strict=True
        ):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == answer  # the input is still open
        process.stdin.close()
        assert process.wait(60) == 0
        process.stdout.close()


@pytest.mark.parametrize('name', ['answers.tsv', 'answers.csv', 'answers.jsonl'])
def test_an_interrupted_file_is_gone_on_with_after_its_last_whole_record(shell: Shell, name: str) -> None:
    texts = [f'g{"ñ" * (number % 3)} "{number}",\t{number % 7}\n fin' for number in range(400)]
    (shell.folder / 'texts.jsonl').write_bytes(as_jsonl([{'text': text} for text in texts]))
    asked = ('predict', '--file', 'texts.jsonl', '--out', name)
    out = shell.folder / name
    assert shell(*asked, '--resume').stdout == b''
    whole = out.read_bytes()
    assert whole.count(b'fin') == 400
    assert 'exists already: add --resume' in shell.fails(2, *asked)
    for size in (len(whole) - 1, len(whole) // 2, len(whole) // 2 + 9, 5, 0, len(whole)):
        out.write_bytes(whole[:size])
        shell(*asked, '--resume')
        assert out.read_bytes() == whole


def test_a_file_with_answers_to_other_texts_is_left_as_it_is(shell: Shell) -> None:
    for name in ('other.tsv', 'other.csv', 'other.jsonl'):
        shell('predict', '--out', name, 'g', 'gg')
        before = (shell.folder / name).read_bytes() + b'torn'
        (shell.folder / name).write_bytes(before)
        for texts in (['g'], ['g', 'a', 'a']):
            told = shell.fails(2, 'predict', '--out', name, '--resume', *texts)
            assert f'{name} has 2 results' in told
        assert (shell.folder / name).read_bytes() == before
        shell('predict', '--out', name, '--resume', 'g', 'gg', 'ggg')
        assert b'ggg' in (shell.folder / name).read_bytes()


@pytest.mark.parametrize('text', ['g\rg', 'g' * 200_000])
def test_csv_answers_to_unusual_texts_are_gone_on_with(shell: Shell, text: str, tmp_path: Path) -> None:
    asked = ('predict', '--from', 'jsonl', '--out', str(tmp_path / 'answers.csv'), '--resume')
    for count in (1, 2, 2):
        shell(*asked, stdin=as_jsonl([{'text': text}] * count))
    assert (tmp_path / 'answers.csv').read_bytes().count(text.encode()) == 2


@pytest.mark.parametrize(
    'content', [b'\xff\nnegative,0.5,g\n', b'label,probability,text\nnegative,0.5,g\rg\n']
)
def test_a_file_that_is_no_csv_of_answers_is_left_as_it_is(shell: Shell, content: bytes) -> None:
    (shell.folder / 'strange.csv').write_bytes(content)
    told = shell.fails(2, 'predict', '--out', 'strange.csv', '--resume', 'g')
    assert 'strange.csv has 1 results' in told
    assert (shell.folder / 'strange.csv').read_bytes() == content


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_restart_of_the_server_in_the_middle_is_survived(pushed: Path, tmp_path: Path) -> None:
    port, rest_port = ports.free('127.0.0.1', 2)
    out = tmp_path / 'answers.tsv'
    for address in (f'127.0.0.1:{port}', f'http://127.0.0.1:{rest_port}'):
        out.unlink(missing_ok=True)
        with ServerProcess('reviews', pushed, port=port, rest_port=rest_port) as server:
            process = subprocess.Popen(
                [*COMMAND, 'predict', '--server', address, '--out', str(out)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert process.stdin is not None
            process.stdin.write(b''.join(b'g%d\n' % number for number in range(1000)))
            process.stdin.flush()
            wait_until(lambda: out.exists() and out.read_bytes().count(b'\n') == 1000)
            os.kill(server.pid, 9)
        process.stdin.write(b''.join(b'g%d\n' % number for number in range(1000, 2000)))
        process.stdin.flush()
        assert process.stderr is not None
        assert b'waiting up to' in process.stderr.readline()
        with ServerProcess('reviews', pushed, port=port, rest_port=rest_port):
            process.stdin.close()
            assert process.wait(60) == 0
        process.stderr.close()
        assert [line.rpartition('\t')[2] for line in out.read_text().splitlines()] == [
            f'g{number}' for number in range(2000)
        ]


@pytest.mark.parametrize('command', [['predict'], ['generate', '--model', 'reviews']])
@pytest.mark.parametrize('seconds', [1, 0])
def test_patience_ends(pushed: Path, command: list[str], seconds: int) -> None:
    with ServerProcess('reviews', pushed) as server:
        process = subprocess.Popen(
            [*COMMAND, *command, '--server', server.grpc_address, '--file', '-', '--patience', str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'g\n' * 32)
        process.stdin.flush()
        assert all(process.stdout.readline() for _ in range(32))
    stdout, stderr = process.communicate(b'gg\n', timeout=60)
    assert (process.returncode, stdout) == (1, b'')
    *before, last = stderr.splitlines()
    assert last.startswith(b'vaiven: no server answers at')
    assert [line.endswith(b'waiting up to 1 s for it') for line in before] == [True] * seconds
