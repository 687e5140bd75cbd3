"""What a user can do wrong: one line on standard error, the right exit status, nothing written."""

import socket

import pytest

from tests.e2e.support import vaiven

GOOD = 'text,label\n' + ''.join(
    f'good film number {i},positive\nbad film number {i},negative\n' for i in range(50)
)

FILES = {
    'no rows': (b'text,label\n', 'no row'),
    'empty': (b'', 'empty'),
    'not utf-8': (GOOD.encode() + b'caf\xe9,positive\n', 'UTF-8'),
    'nul bytes': (GOOD.encode() + b'a\0b,positive\n', 'NUL'),
    'no such column': (GOOD.replace('text,label', 'body,label', 1).encode(), "'text'"),
    'one class only': (GOOD.replace('negative', 'positive').encode(), 'both classes'),
    'one class of its own name': (
        GOOD.replace('negative', 'Envíos').replace('positive', 'envi\u0301os').encode(),
        "all 100 labelled rows are 'Envíos'; a classifier needs at least two classes",
    ),
    'a class of one row': (
        (GOOD.replace('good', 'great') + 'so so,neutral\n').encode(),
        'the class neutral has one row (data.csv, line 102), and a class needs several',
    ),
    'more than a thousand classes': (
        ('text,label\n' + ''.join(f'text {n},topic {n // 2}\n' for n in range(2100))).encode(),
        'more than 1,000 labels',
    ),
    'texts in the label column': (
        ('text,label\n' + ''.join(f'{n},a long review of the film number {n}\n' for n in range(30))).encode(),
        'it seems to contain texts',
    ),
    'a row of a megabyte': (GOOD.encode() + b'x' * 2**20 + b',positive\n', 'bytes'),
    'all rows equal': (b'text,label\n' + b'the same,positive\n' * 100, 'same text'),
    'three rows': (b'text,label\na b,positive\nc d,negative\ne f,positive\n', 'at least 20'),
    'a quote that is never closed': (GOOD.encode() + b'"open,positive\n' + b'more\n' * 3, 'quot'),
}


def refused(result, status, *words):
    assert result.returncode == status, result.stdout + result.stderr
    assert result.stderr.startswith('vaiven: ')
    assert result.stderr.count('\n') == 1, result.stderr
    assert 'Traceback' not in result.stdout + result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


@pytest.mark.parametrize(('content', 'word'), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_learnt_from_is_refused_before_anything_is_written(tmp_path, content, word):
    data = tmp_path / 'data.csv'
    data.write_bytes(content)
    result = vaiven('run', '--data', data, '--root', tmp_path / 'root')
    refused(result, 2, 'data.csv', word)
    assert result.stdout == ''
    assert not (tmp_path / 'root').exists()


TEXTS = {
    'an empty text': ('a.txt', b'', ['no text']),
    'one paragraph': (
        'a.txt',
        'Érase una vez…'.encode(),
        ['1 passages', 'at least 20', 'passage_characters'],
    ),
    'a picture': (
        'a.txt',
        b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR',
        ['line 3', 'byte 1 is NUL', 'give a file of text'],
    ),
    'Latin 1': ('a.txt', 'uno\nniña\n'.encode('latin-1'), ['line 2', 'byte 3', '0xf1', 'UTF-8']),
    'not gzipped': ('a.txt.gz', b'uno\n', ['gzip']),
    'no JSON': ('a.jsonl', b'{"text": "a", "label": 1}\ntext\n', ['line 2', 'JSON']),
    'no parquet': ('a.parquet', GOOD.encode(), ['parquet']),
    'an unknown ending': ('a.docx', b'PK', ['.jsonl', '.txt']),
}


@pytest.mark.parametrize(('name', 'content', 'words'), TEXTS.values(), ids=TEXTS)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, name, content, words):
    data = tmp_path / name
    data.write_bytes(content)
    settings = '--set', 'training.task=language', '--set', 'text.max_tokens=2000'
    result = vaiven('run', '--data', data, *settings, '--root', tmp_path / 'root')
    refused(result, 2, name, *words)
    assert not (tmp_path / 'root').exists()


def test_files_that_do_not_go_together_are_refused(tmp_path):
    good, book, more = tmp_path / 'good.csv', tmp_path / 'book.txt', tmp_path / 'more.csv'
    good.write_text(GOOD)
    book.write_text('A line of a book.\n' * 3)
    more.write_text('body\nMore text\n')
    for arguments, words in (
        (['--data', book], ['needs labels', 'training.task=language', '--unlabelled']),
        (['--data', good, '--data', book], ['not both', '--unlabelled']),
        (['--data', good, '--unlabelled', good], ['good.csv', 'name it with one of them']),
        (['--data', good, '--unlabelled', more], ['more.csv', "no column is named 'text'", "'body'"]),
        (['--data', good, '--unlabelled', tmp_path / 'none.txt'], ['none.txt', 'no such file']),
        (['--data', good, '--unlabelled', tmp_path / '*.md'], ['*.md', 'no file matches', '--unlabelled']),
        (
            ['--data', good, '--set', 'data.rating_column=stars'],
            ["no column is named 'stars'", 'data.rating_column'],
        ),
        (['--data', good, '--set', 'data.rating_range=5'], ['two numbers']),
        (['--data', good, '--set', 'data.language_column=label'], ['must be different columns']),
        (['--data', good, '--set', 'data.rating_column=label'], ["'positive'", 'data.rating_range']),
    ):
        refused(vaiven('run', '--root', tmp_path / 'root', *arguments), 2, *words)
    assert not (tmp_path / 'root').exists()


def test_more_text_shows_in_the_plan(tmp_path):
    (tmp_path / 'good.csv').write_text(GOOD)
    (tmp_path / 'more.txt').write_text('More text\n')
    result = vaiven(
        'plan', '--data', tmp_path / 'good.csv', '--unlabelled', tmp_path, '--root', tmp_path / 'root'
    )
    assert result.returncode == 0, result.stderr
    assert f'data        {tmp_path}/good.csv\nunlabelled  {tmp_path}/more.txt\n' in result.stdout


def test_a_quoted_line_break_is_part_of_the_text(tmp_path):
    data = tmp_path / 'data.csv'
    data.write_text(GOOD + '"two\nlines",positive\n')
    assert vaiven('plan', '--data', data, '--root', tmp_path / 'root').returncode == 0


@pytest.mark.parametrize(
    ('arguments', 'word'),
    [
        (['--data', 'missing.csv'], 'missing.csv'),
        (['--data', '.'], 'directory'),
        (['--set', 'training.epoch=1'], 'training.epochs'),
        (['--set', 'training.epochs=0'], 'at least 1'),
        (['--preset', 'films'], 'reviews'),
        (['--name', '../up'], "'../up'"),
        (['--unknown'], '--unknown'),
    ],
)
def test_a_usage_error_is_one_line(tmp_path, arguments, word):
    refused(vaiven('run', '--root', tmp_path / 'root', *arguments), 2, word)
    assert not (tmp_path / 'root').exists()


def test_a_root_that_is_a_file_is_refused(tmp_path):
    data = tmp_path / 'data.csv'
    data.write_text(GOOD)
    (tmp_path / 'root').write_text('in the way')
    refused(vaiven('run', '--data', data, '--root', tmp_path / 'root'), 1, '--root')
    assert (tmp_path / 'root').read_text() == 'in the way'


@pytest.mark.parametrize('command', ['run', 'plan'])
@pytest.mark.parametrize(
    ('option', 'address'),
    [
        ('--root', 'gs://bucket/runs'),
        ('--root', 's3://bucket'),
        ('--data', 'gs://bucket/reviews.csv'),
        ('--unlabelled', 'hdfs://node/more.txt'),
        ('--data', 'https://example.org/reviews.csv'),
        ('--root', ''),
    ],
)
def test_an_address_of_a_store_is_refused_and_becomes_no_folder(
    tmp_path, monkeypatch, command, option, address
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data.csv').write_text(GOOD)
    data = () if option == '--data' else ('--data', 'data.csv')
    refused(vaiven(command, *data, option, address), 2, option, repr(address))
    assert [path.name for path in tmp_path.iterdir()] == ['data.csv']


def test_a_plan_below_a_file_is_refused_as_the_run_is(tmp_path):
    data = tmp_path / 'data.csv'
    data.write_text(GOOD)
    for command in ('run', 'plan'):
        refused(vaiven(command, '--data', data, '--root', data / 'runs'), 1, 'is not a folder', '--root')


def test_a_port_in_use_is_reported(tmp_path):
    (tmp_path / 'model' / '1').mkdir(parents=True)
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = vaiven('serve', tmp_path / 'model', '--port', port, '--rest-port', '0')
    # Before that it says what it is about to serve.
    result.stderr = result.stderr.splitlines(keepends=True)[-1]
    refused(result, 1, port)


def test_an_unreachable_server_is_reported():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{free.getsockname()[1]}'
    refused(vaiven('predict', '--server', address, 'a film'), 1, address)
