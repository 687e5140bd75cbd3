"""Two versions on a real server, asked what a file or a log holds."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vaiven.serving.client import Client
from vaiven.serving.errors import ServingError
from vaiven.serving.process import ServerProcess
from vaiven.serving.rollout.compare import Comparison
from vaiven.serving.rollout.gates import Limits
from vaiven.serving.rollout.pairs import pairs
from vaiven.serving.rollout.requests import Asked, Columns, Log, read


@pytest.fixture(scope='module')
def logged(pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Path]]:
    """Versions 2 and 3 of a model whose requests are all logged, and where."""
    folder = tmp_path_factory.mktemp('logged')
    for version in ('2', '3'):
        shutil.copytree(pushed / version, folder / 'reviews' / version)
    config = folder / 'models.config'
    config.write_text(
        f'model_config_list {{ config {{ name: "reviews" base_path: "{folder}/reviews" '
        'model_platform: "tensorflow" model_version_policy { all {} } '
        'version_labels { key: "stable" value: 2 } version_labels { key: "canary" value: 3 } '
        f'logging_config {{ log_collector_config {{ type: "tfrecord" filename_prefix: "{folder}/log" }} '
        'sampling_config { sampling_rate: 1.0 } } } }'
    )
    flags = {'model_config_file': config, 'allow_version_labels_for_unavailable_models': True}
    with ServerProcess('reviews', folder / 'reviews', flags=flags) as running:
        yield running, folder / 'log'


def test_versions_that_answer_alike_agree(logged: tuple[ServerProcess, Path]) -> None:
    texts = ['gg', '¿qué?', 'ñ', '😀 g', 'مرحبا', '', 'g' * 50]
    asked = [Asked({'text': [text]}, truth='positive') for text in texts * 20]
    comparison = Comparison(Limits(error_rate=None, accuracy_drop=None, latency_ratio=None, p99_ratio=None))
    with Client(logged[0].grpc_address) as client:
        comparison.extend(each for each in pairs(client, 'reviews', asked, 2, 3) if each is not None)
    report = comparison.report()
    assert report['requests'] == 140
    assert report['agreement']['estimate'] == 1.0
    assert report['flips'] == 0
    assert report['accuracy']['old'] == report['accuracy']['new'] == pytest.approx(2 / 7, abs=1e-5)
    assert report['drift']['estimate'] == 0
    assert report['errors'] == {
        'old': 0.0, 'new': 0.0, 'most_frequent': [],
        'difference': {'estimate': 0.0, 'interval': report['errors']['difference']['interval']},
    }  # fmt: skip
    for name in ('p50', 'p95', 'p99'):
        for side in ('old', 'new', 'ratio'):
            figures = report['latency_ms'][name][side]
            assert figures['interval'][0] <= figures['estimate'] <= figures['interval'][1]


def test_a_version_that_is_not_there_fails_and_is_worse(logged: tuple[ServerProcess, Path]) -> None:
    comparison = Comparison()
    with Client(logged[0].grpc_address) as client:
        comparison.extend(
            each for each in pairs(client, 'reviews', [Asked({'text': ['g']})] * 60, 2, 9) if each is not None
        )
    report = comparison.report()
    assert (report['verdict'], report['because']) == ('worse', ['error_rate'])
    assert report['errors']['new'] == 1.0
    assert report['errors']['most_frequent'][0]['count'] == 60
    assert report['latency_ms'] is None


def test_what_a_server_logs_is_asked_again_also_while_it_is_written(
    logged: tuple[ServerProcess, Path],
) -> None:
    server, prefix = logged
    stop = threading.Event()
    texts = [f'g{"año"[: n % 4]} {n}' for n in range(40)]

    def traffic(client: Client) -> None:
        for text in texts:
            client.predict('reviews', {'text': [text]}, version=2)
            time.sleep(0.01)
        stop.set()

    found: list[Asked] = []
    with Client(server.grpc_address) as client:
        client.predict('reviews', {'text': ['g']}, signature='embed', version=2)
        client.classify('reviews', [{'text': 'g'}], version=2)  # no request of Predict: passed over
        thread = threading.Thread(target=traffic, args=(client,))
        thread.start()
        for asked in Log(prefix, follow=True).requests():
            found += [asked] if asked is not None else []
            if stop.is_set() and sum(each.text_of(0) in texts for each in found) == len(texts):
                break
        thread.join()
        [answers] = [
            list(pairs(client, 'reviews', [each], 2, 3)) for each in found if each.signature == 'embed'
        ]
    assert sorted(each.text_of(0) for each in found if each.text_of(0) in texts) == sorted(texts)
    assert answers[0] is not None
    assert not answers[0].failed


def test_files_of_every_kind_are_read(tmp_path: Path) -> None:
    rows = [('¿Sí, o no?', 'positive'), ('«ñ» "x"', '-1'), ('', ''), ('😀', 'pos')]
    truths = ['positive', 'negative', None, 'positive']
    (tmp_path / 'a.csv').write_text(
        '\ufefftext,label\r\n"¿Sí, o no?",positive\r\n"«ñ» ""x""",-1\r\n"",\r\n😀,pos\r\n'
    )
    (tmp_path / 'a.tsv').write_text('label\ttext\n' + ''.join(f'{b}\t{a}\n' for a, b in rows))
    (tmp_path / 'a.jsonl').write_text(
        '\n'.join(json.dumps({'text': a, 'label': b}, ensure_ascii=False) for a, b in rows)
    )
    for ending in ('csv', 'tsv', 'jsonl'):
        found = read(tmp_path / f'a.{ending}')
        assert [each.text_of(0) for each in found] == [text for text, _ in rows]
        assert [each.truth for each in found] == truths
    (tmp_path / 'a.txt').write_text('uno\n\ndós\n')
    assert [each.text_of(0) for each in read(tmp_path / 'a.txt')] == ['uno', 'dós']


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('a.csv', b'body,label\nx,1\n', "has no column 'text'; it has: body, label"),
        ('a.csv', b'', "has no column 'text'"),
        ('a.csv', b'text\n', 'holds no request'),
        ('a.txt', b'\xff\xfe', 'is not UTF-8'),
        ('a.jsonl', b'{"text": 3}', 'line 1 of .* is no object with a text'),
        ('a.jsonl', b'{"text": "a"}\n[' * 3, 'line 2 of .* is no object'),
        ('a.tfrecord', b'no records, no records', 'is no TFRecord file'),
        ('a.tfrecord', b'\x03' + bytes(11) + b'abc' + bytes(4), 'is no log of requests'),
        ('a.tfrecord', b'', 'holds no request'),
        ('a.parquet', b'', 'requests come as'),
    ],
)
def test_a_file_that_is_none_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ServingError, match=message) as raised:
        read(tmp_path / name, Columns())
    assert '\n' not in str(raised.value)


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match='No such file'):
        read(tmp_path / 'none.csv')
    with pytest.raises(ServingError, match='no log of requests begins with'):
        list(Log(tmp_path / 'none').requests())


def command(*arguments: str | Path) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(
        [sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'compare', *map(str, arguments)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_command_says_what_it_found_and_ends_accordingly(
    logged: tuple[ServerProcess, Path], tmp_path: Path
) -> None:
    address = logged[0].grpc_address
    file = tmp_path / 'rows.tsv'
    file.write_text('text\tlabel\ngg\tpositive\naño\tpositive\n')
    answer = command('--server', address, '--requests', file)
    assert answer.returncode == 3
    lines = answer.stdout.splitlines()
    assert lines[0] == 'reviews: version 3 against version 2, 2 requests'
    assert 'accuracy      50.0% against 50.0% of 2' in answer.stdout
    assert lines[-1].startswith('undecided: too few requests')
    told = json.loads(command('--server', address, '--requests', file, '--json').stdout)
    assert (told['new'], told['old'], told['verdict']) == (3, 2, 'undecided')
    for arguments, message in (
        (['--requests', str(file), '--new', 'gold'], "has no label 'gold'"),
        (['--requests', str(file), '--new', '9'], 'version 9 of model'),
        ([], 'give --requests or --log'),
        (['--requests', str(file), '--follow'], '--follow goes with --log'),
    ):
        answer = command('--server', address, *arguments)
        assert answer.returncode == 2
        assert message in answer.stderr
        assert answer.stderr.count('\n') == 1
