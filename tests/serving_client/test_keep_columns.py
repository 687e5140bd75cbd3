"""`vaiven predict --keep-columns`: columns of the input that the answers keep, on a real server."""

import csv
import datetime
import io
import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tests.serving_client.test_commands import Shell
from vaiven.serving.server.server_process import ServerProcess

ROWS = [('7', 'g, "so"', '2026-01-01'), ('008', 'año', ''), ('9', 'dos\nlíneas', 'ayer; "hoy"')]
TABLE = 'id,text,date\n' + ''.join(
    f'{number},"{text.replace(chr(34), chr(34) * 2)}","{date.replace(chr(34), chr(34) * 2)}"\n'
    for number, text, date in ROWS
)


@pytest.fixture(scope='module')
def shell(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(server.grpc_address, tmp_path_factory.mktemp('shell'))


@pytest.fixture
def table(shell: Shell) -> Path:
    path = shell.folder / 'reviews.csv'
    path.write_text(TABLE)
    return path


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline='')))


def test_csv_results_copy_columns_unchanged(shell: Shell, table: Path) -> None:
    for names in ('id,date', 'all'):
        answer = shell('predict', '--file', str(table), '--to', 'csv', '--keep-columns', names).stdout
        assert answer.splitlines()[0] == b'label,probability,text,id,date'
        assert [(row['id'], row['text'], row['date']) for row in read(answer)] == ROWS
    answer = shell('predict', '--file', str(table), '--to', 'csv', '--keep-columns', 'date').stdout
    assert [row.get('id') for row in read(answer)] == [None] * 3


def test_jsonl_results_keep_the_types_of_jsonl(shell: Shell) -> None:
    objects = [
        {'id': 7, 'text': 'g', 'tags': ['ñ'], 'ok': True, 'score': 1.5},
        {'text': 'a', 'id': '8', 'score': None},
    ]
    content = ''.join(json.dumps(each) + '\n' for each in objects).encode()
    arguments = ('predict', '--from', 'jsonl', '--to', 'jsonl', '--keep-columns')
    answers = [json.loads(line) for line in shell(*arguments, 'all', stdin=content).stdout.splitlines()]
    assert [list(each) for each in answers] == [
        ['text', 'label', 'probability', 'id', 'tags', 'ok', 'score'],
        ['text', 'label', 'probability', 'id', 'score'],
    ]
    assert [
        {name: each[name] for name in given} for each, given in zip(answers, objects, strict=True)
    ] == objects
    answers = [json.loads(line) for line in shell(*arguments, 'tags', stdin=content).stdout.splitlines()]
    assert [each['tags'] for each in answers] == [['ñ'], None]


def test_tab_separated_results_end_with_the_columns(shell: Shell, table: Path) -> None:
    shell('predict', '--file', str(table), '--out', 'answers.tsv', '--keep-columns', 'date,id')
    lines = (shell.folder / 'answers.tsv').read_text().splitlines()
    assert [line.split('\t')[2:] for line in lines] == [
        ['g, "so"', '2026-01-01', '7'],
        ['año', '', '008'],
        ['dos\\nlíneas', 'ayer; "hoy"', '9'],
    ]


def test_values_of_parquet_are_written_as_text(shell: Shell) -> None:
    columns = {
        'text': ['g', 'a'],
        'day': [datetime.date(2026, 1, 2), None],
        'n': [1, 2],
        'x': [float('nan'), 0.5],
    }
    parquet.write_table(pyarrow.table(columns), shell.folder / 'a.parquet')
    answer = shell('predict', '--file', 'a.parquet', '--to', 'csv', '--keep-columns', 'day,n,x').stdout
    assert [(row['day'], row['n'], row['x']) for row in read(answer)] == [
        ('2026-01-02', '1', ''),
        ('', '2', '0.5'),
    ]
    answer = shell('predict', '--file', 'a.parquet', '--to', 'jsonl', '--keep-columns', 'x').stdout
    assert [json.loads(line)['x'] for line in answer.splitlines()] == [None, 0.5]


def test_each_token_of_a_course_has_the_columns(shell: Shell, table: Path) -> None:
    table.write_text('id,text\n7,gg a\n8,g\n')
    arguments = ('predict', '--course', '--file', str(table), '--to', 'csv', '--keep-columns', 'id')
    assert shell(*arguments).stdout == (
        b'number,probability,token,id\n1,1.000000,gg,7\n1,0.000000,a,7\n2,1.000000,g,8\n'
    )


@pytest.mark.parametrize('ending', ['csv', 'tsv', 'jsonl'])
@pytest.mark.parametrize('names', ['id,date', 'all'])
def test_an_interrupted_run_is_resumed_with_the_same_columns(
    shell: Shell, table: Path, ending: str, names: str
) -> None:
    out = shell.folder / f'{names}.{ending}'
    command = ('predict', '--file', str(table), '--out', out.name, '--keep-columns', names)
    shell(*command)
    whole = out.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 3, len(whole)):
        out.write_bytes(whole[:size])
        shell(*command, '--resume')
        assert out.read_bytes() == whole
    told = shell(*command[:-1], 'id', '--resume', status=0 if ending == 'jsonl' else 2)
    if ending != 'jsonl':
        assert b'has results with other columns: give the same --keep-columns as before' in told.stderr
    assert out.read_bytes() == whole


def test_results_without_columns_are_not_resumed_with_columns(shell: Shell, table: Path) -> None:
    for ending in ('csv', 'tsv', 'jsonl'):
        command = ('predict', '--file', str(table), '--out', f'plain.{ending}')
        shell(*command)
        whole = (shell.folder / f'plain.{ending}').read_bytes()
        told = shell(*command, '--keep-columns', 'id', '--resume', status=2).stderr
        assert b'has results with other columns' in told
        assert (shell.folder / f'plain.{ending}').read_bytes() == whole


@pytest.mark.parametrize(
    ('arguments', 'content', 'message'),
    [
        (('--from', 'csv', '--keep-columns', 'stars'), b'text,id\ng,1\n', "no column is named 'stars'"),
        (('--from', 'csv', '--keep-columns', 'label,id'), b'text,id,label\ng,1,1\n', "already has a column 'label'"),
        (('--from', 'csv', '--keep-columns', 'all'), b'text,id,label\ng,1,1\n', "already has a column 'label'"),
        (('--from', 'csv', '--keep-columns', 'text'), b'text,id\ng,1\n', "the output already has a column 'text'"),
        (('--from', 'csv', '--keep-columns', 'id'), b'text,id,id\ng,1,2\n', "2 columns are named 'id'"),
        (('--from', 'jsonl', '--keep-columns', 'ID'), b'{"text": "g", "id": 1}\n', "1 rows has the key 'ID'"),
        (('--from', 'jsonl', '--keep-columns', 'id'), b'{"text": "g", "id": "\\ud800"}\n', 'half of a surrogate pair'),
        (('--to', 'csv', '--from', 'jsonl', '--keep-columns', 'all'), b'{"text":""}\n{"text":"","n":1}', "no key 'n'"),
        (('--keep-columns', 'id'), b'g\n', '--keep-columns needs a table: lines have no columns'),
        (('--keep-columns', 'id', 'a text'), b'', '--keep-columns needs a table'),
        (('--from', 'csv', '--keep-columns', 'id,,n'), b'text,id\ng,1\n', 'separated by commas, each once'),
        (('--from', 'csv', '--keep-columns', 'id,id'), b'text,id\ng,1\n', 'separated by commas, each once'),
        (('--from', 'csv', '--keep-columns', ''), b'text,id\ng,1\n', 'separated by commas, each once'),
    ],
)  # fmt: skip
def test_columns_that_cannot_be_kept_are_reported_in_one_line(
    shell: Shell, arguments: tuple[str, ...], content: bytes, message: str
) -> None:
    told = shell('predict', *arguments, stdin=content, status=2).stderr.decode()
    assert message in told
    assert told.count('\n') == 1
