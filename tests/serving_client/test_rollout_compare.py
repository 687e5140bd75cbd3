"""Two versions on a real server, asked what a file or a log holds."""

import csv
import gzip
import json
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from vaiven.label_spec import SENTIMENT
from vaiven.serving.client import Client
from vaiven.serving.commands.rollout_compare import MIN_REQUESTS, report_lines
from vaiven.serving.common import model_labels
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.model_labels import UNKNOWN, ModelLabels
from vaiven.serving.common.tfrecords import HEAD
from vaiven.serving.rollout.answers import Answer, Pair
from vaiven.serving.rollout.compare import Comparison
from vaiven.serving.rollout.gates import Limits
from vaiven.serving.rollout.paired_requests import pairs
from vaiven.serving.rollout.request_tables import Columns
from vaiven.serving.rollout.requests import Request, RequestLog, read_requests
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors


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
        with Client(running.grpc_address) as client:
            for version in (2, 3):  # a model is served as soon as one of its versions is
                client.wait_until_available('reviews', version=version)
        yield running, folder / 'log'


def test_versions_that_answer_alike_agree(logged: tuple[ServerProcess, Path]) -> None:
    texts = ['gg', '¿qué?', 'ñ', '😀 g', 'مرحبا', '', 'g' * 50]
    asked = [Request({'text': [text]}, expected_label='positive') for text in texts * 20]
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


def test_versions_that_both_refuse_everything_are_not_called_good() -> None:
    refused = Answer(0.001, 'INVALID_ARGUMENT: no input text', 'INVALID_ARGUMENT')
    comparison = Comparison()
    comparison.extend([Pair(Request({'text': ['x']}), refused, refused)] * 2500)
    report = comparison.report()
    assert (report['verdict'], report['because'], report['answered_by_both']) == ('undecided', [], 0)
    told = list(report_lines({'model': 'm', 'new': 2, 'old': 1, **report}))
    assert told[-1] == 'undecided: no request was answered by both versions'


def test_a_version_that_says_nothing_is_worse_and_its_rows_are_flips() -> None:
    old, new = Answer(0.001, decisions=('a', 'b'), scores=(0.9, 0.2)), Answer(0.001, decisions=('a',))
    comparison = Comparison()
    comparison.extend([Pair(Request({'text': ['x', 'y']}), old, new)] * 500)
    report = comparison.report()
    assert (report['verdict'], report['because']) == ('worse', ['agreement', 'drift'])
    assert (report['flips'], report['agreement']['estimate']) == (500, 0.5)
    assert (report['examples'][0]['old'], report['examples'][0]['new']) == ('b', '(nothing)')


def test_labels_that_match_nothing_are_told() -> None:
    answer = Answer(0.001, decisions=('positive',), scores=(0.9,))
    comparison = Comparison()
    comparison.extend([Pair(Request({'text': ['x']}, expected_label='5'), answer, answer)] * 2500)
    report = comparison.report()
    assert (report['verdict'], report['because']) == ('undecided', ['accuracy_drop'])
    told = list(report_lines({'model': 'm', 'new': 2, 'old': 1, **report}))
    assert 'accuracy_drop: no decision of either version equals a label' in told[-1]


def test_versions_that_do_not_differ_are_told_with_the_requests_that_are_asked_by_default() -> None:
    answer = Answer(0.001, decisions=('positive',), scores=(0.9,))
    comparison = Comparison()
    comparison.extend(
        [Pair(Request({'text': ['x']}, expected_label='positive'), answer, answer)] * MIN_REQUESTS
    )
    assert comparison.verdict() == ('not worse', [])


def test_a_version_that_is_not_there_fails_and_is_worse(logged: tuple[ServerProcess, Path]) -> None:
    comparison = Comparison()
    with Client(logged[0].grpc_address) as client:
        comparison.extend(
            each
            for each in pairs(client, 'reviews', [Request({'text': ['g']})] * 60, 2, 9)
            if each is not None
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
            client.predict('reviews', {'text': [text]}, label='stable')
            time.sleep(0.01)
        stop.set()

    found: list[Request] = []
    with Client(server.grpc_address) as client:
        client.predict('reviews', {'text': ['g']}, signature='embed', label='stable')
        client.classify('reviews', [{'text': 'g'}], version=2)  # no request of Predict: passed over
        thread = threading.Thread(target=traffic, args=(client,))
        thread.start()
        for asked in RequestLog(prefix, 'reviews', follow=True).requests():
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


def record(model: str, text: str, **about: object) -> bytes:
    log = messages.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model
    if 'version' in about:
        request.model_spec.version.value = about['version']
    tensors.write_proto(request.inputs['text'], [text])
    data = log.SerializeToString()
    return HEAD.pack(len(data), 0) + data + bytes(4)


def texts_of(requests: Iterable[Request | None]) -> list[str]:
    return [
        each.text_of(0) for each in takewhile(lambda each: each is not None, requests) if each is not None
    ]


def test_what_comparing_itself_asks_and_what_other_models_are_asked_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / 'log.tfrecord'
    path.write_bytes(
        record('m', 'año') + record('m', 'probe', version=3) + record('otro', 'x') + record('m', 'ñ')
    )
    assert texts_of(RequestLog(path, 'm').requests()) == ['año', 'ñ']
    assert texts_of(read_requests(path, 'm')) == ['año', 'ñ']
    with pytest.raises(ServingError, match="has no request of model 'none' that names no version"):
        read_requests(path, 'none')


def test_a_log_is_gone_on_with_where_it_was_left_under_its_later_name(tmp_path: Path) -> None:
    begun, ended = tmp_path / 'log-1.tfrecord.partial', tmp_path / 'log-1.tfrecord'
    begun.write_bytes(record('m', 'one') + record('m', 'two'))
    positions: dict[str, int] = {}
    asking = RequestLog(tmp_path / 'log', 'm', follow=True, positions=positions).requests()
    first = next(asking)
    assert first is not None
    assert first.text_of(0) == 'one'
    assert positions == {'log-1.tfrecord': len(record('m', 'one'))}
    with begun.open('ab') as stream:
        stream.write(record('m', 'three'))
    begun.rename(ended)
    (tmp_path / 'log-2.tfrecord.partial').write_bytes(record('m', 'four'))
    again = RequestLog(tmp_path / 'log', 'm', follow=True, positions=json.loads(json.dumps(positions)))
    assert texts_of(again.requests()) == ['two', 'three', 'four']


def test_a_file_that_gets_its_last_name_between_two_looks_is_found_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = tmp_path / 'log-1.tfrecord'
    ended.write_bytes(record('m', 'one'))
    glob = Path.glob
    gone = [tmp_path / 'log-1.tfrecord.partial']
    monkeypatch.setattr(Path, 'glob', lambda self, pattern: [gone.pop()] if gone else glob(self, pattern))
    asking = RequestLog(tmp_path / 'log', 'm', follow=True).requests()
    assert next(asking) is None
    found = next(asking)
    assert found is not None
    assert found.text_of(0) == 'one'


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
        found = read_requests(tmp_path / f'a.{ending}', 'reviews')
        assert [each.text_of(0) for each in found] == [text for text, _ in rows]
        assert [each.expected_label for each in found] == truths
    (tmp_path / 'a.txt').write_text('uno\n\ndós\n')
    assert [each.text_of(0) for each in read_requests(tmp_path / 'a.txt', 'reviews')] == ['uno', 'dós']


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('a.csv', b'body,label\nx,1\n', "no column is named 'text'; there are: 'body', 'label'"),
        ('a.csv', b'', 'the file is empty'),
        ('a.csv', b'text\n', 'has no request'),
        ('a.csv', b'text,label\nx,1\n', "no column is named 'stars'; there are: 'text', 'label'"),
        ('a.jsonl', b'{"text": "x", "label": 1}', "column 'stars' has no label in any of 1 rows"),
        ('a.txt', b'x\n', "has no column 'stars'"),
        ('a.txt', b'\xff\xfe', 'is UTF-16'),
        ('a.jsonl', b'{"text": 3}', "line 1: 'text' holds 3, no text"),
        ('a.jsonl', b'{"text": "a"}\n[' * 3, 'line 2: not JSON'),
        ('a.tfrecord', b'no records, no records', 'is no TFRecord file'),
        ('a.tfrecord', b'\x03' + bytes(11) + b'abc' + bytes(4), 'is not a request log'),
        ('a.tfrecord', b'', 'has no request'),
        ('a.parquet', b'', 'is not a whole parquet file'),
        ('a.xlsx', b'', 'requests must be a'),
        ('a.txt', b'__label__1 Great film\n', 'lines of fastText .*: rename it to NAME.ft.txt'),
    ],
)
def test_a_file_that_is_none_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ServingError, match=message) as raised:
        read_requests(tmp_path / name, 'reviews', Columns(label='stars' if 'stars' in message else None))
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('a.csv', 'text,label\ngood,1\nno label\n', 'line 3: the row has 1 fields, the header 2'),
        ('a.csv', 'text,label\nnice, really nice,1\n', 'line 2: the row has 3 fields'),
        ('a.csv', 'text,label\n"never closed,1\nmore,0\n', 'the quotation mark is never closed'),
        ('a.csv', 'text,text,label\na,b,1\n', "2 columns are named 'text'"),
        ('a.jsonl', '{"text": "\\ud800"}\n', 'half of a surrogate pair'),
        (
            'a.csv',
            'text,label\na,\nb,nan\n',
            "column 'label' has no label in any of 2 rows. Received: '', 'nan'",
        ),
        ('a.jsonl', '{"text": "a", "label": null}\n', 'has no label in any of 1 rows'),
    ],
)
def test_a_table_that_the_pipeline_refuses_is_refused_here_too(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ServingError, match=message) as raised:
        read_requests(tmp_path / name, 'reviews')
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('a.csv', b' text , label \nx,1\ny,0.0\nz,\n'),
        ('A.CSV.GZ', gzip.compress(b'\xef\xbb\xbftext,label\r\nx,+1\r\ny,0\r\nz,none\r\n', mtime=0)),
        ('a.tsv', b'text\tlabel\nx\t"1.00"\ny\tneg\nz\t\n'),
        ('a.jsonl', b'{"text": "x", "label": 1.0}\n{"text": "y", "label": false}\n{"text": "z"}\n'),
    ],
)
def test_labels_are_read_alike_in_every_format(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    found = read_requests(tmp_path / name, 'reviews')
    assert [each.text_of(0) for each in found] == ['x', 'y', 'z']
    assert [each.expected_label for each in found] == ['positive', 'negative', None]


def test_a_text_may_be_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    (tmp_path / 'a.csv').write_text('text,label\n' + 'x' * 200_000 + ',1\n')
    before = csv.field_size_limit(131_072)
    try:
        assert len(read_requests(tmp_path / 'a.csv', 'reviews')[0].text_of(0)) == 200_000
    finally:
        csv.field_size_limit(before)


def test_labels_are_those_that_the_model_learned_from(tmp_path: Path) -> None:
    extra = tmp_path / '7' / 'assets.extra'
    extra.mkdir(parents=True)
    data = {'negative_labels': ['1', '2'], 'positive_labels': ['4', '5'], 'unlabelled_labels': ['', '3']}
    (extra / 'vaiven.json').write_text(json.dumps({'data': data}))
    assert model_labels.of_model(tmp_path / '8') is None
    labels = model_labels.of_model(tmp_path / '7')
    assert labels is not None
    path = tmp_path / 'a.csv'
    path.write_text('text,label\na,5.0\nb,1\nc,3\nd,\n')
    assert [each.expected_label for each in read_requests(path, 'reviews', labels=labels)] == [
        'positive',
        'negative',
        None,
        None,
    ]
    path.write_text('text,label\na,5\nb,good\n')
    with pytest.raises(ServingError, match="line 3: 'good' is not one of the labels of the model"):
        read_requests(path, 'reviews', labels=labels)


def test_labels_that_may_not_mean_the_same_are_refused_as_in_a_run(tmp_path: Path) -> None:
    path = tmp_path / 'a.csv'
    path.write_text('text,label\na,-1\nb,0.0\nc,1\n')
    default = ModelLabels.from_classes('binary', SENTIMENT)
    for labels in (UNKNOWN, default):
        with pytest.raises(
            ServingError, match=r"'-1' and '0\.0' in column 'label' would all be negative by default"
        ):
            read_requests(path, 'reviews', labels=labels)
    named = ModelLabels.from_config({'data': {'negative_labels': ['0', '-1'], 'positive_labels': ['1']}})
    assert [each.expected_label for each in read_requests(path, 'reviews', labels=named)] == [
        'negative',
        'negative',
        'positive',
    ]
    path.write_text('text,label\na,neg\nb,Negative\nc,1\n')
    assert [each.expected_label for each in read_requests(path, 'reviews')] == [
        'negative',
        'negative',
        'positive',
    ]


def test_rows_without_the_key_of_the_label_are_counted(tmp_path: Path) -> None:
    path, remarks = tmp_path / 'a.jsonl', list[str]()
    path.write_text('{"text": "a", "label": 1}\n{"text": "b", "etiqueta": 0}\n{"text": "c", "label": null}\n')
    assert [each.expected_label for each in read_requests(path, 'reviews', remarks=remarks)] == [
        'positive',
        None,
        None,
    ]
    assert remarks == [f"{path}: 1 of 3 rows have no key 'label' and are unlabelled"]


@pytest.mark.parametrize('column', ['Label', ' LABEL', 'labels', 'Label:', 'ｌａｂｅｌ'])
@pytest.mark.parametrize('ending', ['csv', 'tsv', 'jsonl', 'parquet'])
def test_a_column_that_is_nearly_named_label_is_not_passed_over(
    tmp_path: Path, ending: str, column: str
) -> None:
    path = tmp_path / f'a.{ending}'
    if ending == 'jsonl':
        path.write_text(json.dumps({'text': 'x', column: 1}) + '\n')
    elif ending == 'parquet':
        parquet.write_table(pyarrow.table({'text': ['x'], column: [1]}), path)
    else:
        delimiter = {'csv': ',', 'tsv': '\t'}[ending]
        path.write_text(f'text{delimiter}{column}\nx{delimiter}1\n')
    with pytest.raises(ServingError) as raised:
        read_requests(path, 'reviews')
    name = column.strip()
    assert f"no column is named 'label', but one is named {name!r}" in str(raised.value)
    assert f'--label-column {shlex.quote(name)}' in str(raised.value)
    assert '\n' not in str(raised.value)
    assert read_requests(path, 'reviews', Columns(label=name))[0].expected_label == 'positive'


def test_a_column_that_only_starts_like_label_is_another_one(tmp_path: Path) -> None:
    path, remarks = tmp_path / 'a.csv', list[str]()
    path.write_text('text,labelled_by\nx,Ana\n')
    assert read_requests(path, 'reviews', remarks=remarks)[0].expected_label is None
    assert len(remarks) == 1
    assert "no column is named 'label', so accuracy is not measured" in remarks[0]
    path.write_text('text,label,Labels\nx,1,0\n')
    assert read_requests(path, 'reviews', remarks=remarks)[0].expected_label == 'positive'
    assert len(remarks) == 1


@pytest.mark.parametrize('name', ['a.csv', 'a.jsonl'])
def test_a_column_that_is_nearly_named_text_is_advised(tmp_path: Path, name: str) -> None:
    content = '{"id": 1, "My": 2, "Text": "x"}\n' if name == 'a.jsonl' else 'id,My,Text\n1,2,x\n'
    (tmp_path / name).write_text(content)
    with pytest.raises(ServingError, match=r"is named 'text'; there are: .*--text-column Text"):
        read_requests(tmp_path / name, 'reviews')


def test_what_was_mapped_or_looks_damaged_is_told(tmp_path: Path) -> None:
    path, remarks = tmp_path / 'a.csv', list[str]()
    path.write_text('text,label\nmuy bien,1\ndon\x92t,0\nniÃ±o,1\n')
    read_requests(path, 'reviews', remarks=remarks)
    assert len(remarks) == 2
    assert '1 texts hold C1 control characters' in remarks[0]
    assert '1 texts look like UTF-8 that was read as another encoding' in remarks[1]
    assert all(remark.startswith(f'{path}: ') for remark in remarks)


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match='No such file'):
        read_requests(tmp_path / 'none.csv', 'reviews')
    with pytest.raises(ServingError, match='no request log whose name starts with'):
        list(RequestLog(tmp_path / 'none', 'reviews').requests())


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
    answer = command('--server', address, '--requests', file, '--limit', '2')
    assert answer.returncode == 3
    lines = answer.stdout.splitlines()
    assert lines[0] == 'reviews: version 3 against version 2, 2 requests'
    assert 'accuracy      50.0% against 50.0% of 2' in answer.stdout
    assert lines[-1].startswith('undecided: too few requests')
    damaged = tmp_path / 'damaged.csv'
    damaged.write_text('text,Etiqueta\naÃ±o,positive\n')
    remarks = command('--server', address, '--requests', damaged, '--limit', '2').stderr
    assert 'look like UTF-8 that was read as another encoding' in remarks
    assert "no column is named 'label'" in remarks
    told = json.loads(command('--server', address, '--requests', file, '--limit', '7', '--json').stdout)
    assert (told['new'], told['old'], told['verdict'], told['requests']) == (3, 2, 'undecided', 7)
    for arguments, message in (
        (['--requests', str(file), '--new', 'gold'], "has no label 'gold'"),
        (['--requests', str(file), '--new', '9'], 'version 9 of model'),
        ([], 'or use --requests or --log'),
        (['--requests', str(file), '--follow'], '--follow requires --log'),
        (['--label-column', 'stars'], '--text-column and --label-column require --requests'),
        (
            ['--requests', str(file), '--base-path', str(tmp_path)],
            '--base-path is for held-out rows',
        ),
        (['--log', str(logged[1]), '--follow'], '--follow requires --limit or --seconds'),
        (
            ['--requests', str(file), '--new', '2'],
            'stable and 2 are both version 2: name two different versions',
        ),
        (
            ['--requests', str(file), '--label-column', 'lable'],
            "no column is named 'lable'; there are: 'text'",
        ),
    ):
        answer = command('--server', address, *arguments)
        assert answer.returncode == 2
        assert message in answer.stderr
        assert answer.stderr.count('\n') == 1
