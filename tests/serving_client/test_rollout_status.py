"""The status tells what is served, who gets it, and where it came from."""

import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from vaiven.serving.client import Client
from vaiven.serving.errors import ServingError
from vaiven.serving.process import ServerProcess
from vaiven.serving.rollout import configuration, lineage
from vaiven.serving.rollout.lineage import Origin
from vaiven.serving.rollout.rollout import Rollout

# What `vaiven run` leaves of two pushed versions, written by the libraries that write it there.
MAKE_STORE = """
import sys
from pathlib import Path
import tensorflow as tf
from ml_metadata import MetadataStore, proto
from tensorflow_model_analysis.proto import metrics_for_slice_pb2 as metrics

run, serving = Path(sys.argv[1]), sys.argv[2]
config = proto.ConnectionConfig()
config.sqlite.filename_uri = str(run / 'metadata.sqlite')
config.sqlite.connection_mode = 3
store = MetadataStore(config)


def kind(what, name):
    return getattr(store, f'put_{what}_type')(getattr(proto, f'{what.title()}Type')(name=name))


types = {name: kind('artifact', name) for name in ('Examples', 'Model', 'ModelEvaluation', 'PushedModel')}
executions = {name: kind('execution', name) for name in ('ExampleGen', 'Trainer', 'Evaluator', 'Pusher')}
run_type = kind('context', 'pipeline_run')


def properties(message, values):
    for name, value in values.items():
        field = 'int_value' if isinstance(value, int) else 'string_value'
        setattr(message.custom_properties[name], field, value)
    return message


def execute(context, name, inputs, output, uri, values={}, own={}):
    [execution] = store.put_executions([properties(proto.Execution(type_id=executions[name]), own)])
    [artifact] = store.put_artifacts([properties(proto.Artifact(type_id=types[output], uri=uri), values)])
    events = [proto.Event(artifact_id=each, execution_id=execution, type=proto.Event.INPUT) for each in inputs]
    store.put_events([*events, proto.Event(artifact_id=artifact, execution_id=execution, type=proto.Event.OUTPUT)])
    store.put_attributions_and_associations([], [proto.Association(context_id=context, execution_id=execution)])
    return artifact


for version, accuracy, pushed in ((1, 0.75, 1), (2, 0.8125, 1), (2, 0.5, 0)):
    [context] = store.put_contexts([proto.Context(type_id=run_type, name=f'2026-01-0{version}T12:00:00.{pushed}')])
    examples = execute(
        context, 'ExampleGen', [], 'Examples', 'examples',
        {'rows': 1000 * version, 'input_fingerprint': f'sha256:{version}', 'span': 0},
        {'input_config': '{"splits": [{"name": "data-0", "pattern": "reseñas.csv"}]}'},
    )
    model = execute(context, 'Trainer', [examples], 'Model', 'model')
    folder = run / f'evaluation-{version}-{pushed}'
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / 'metrics-00000-of-00001.tfrecord')) as writer:
        for sliced in (False, True):
            message = metrics.MetricsForSlice()
            if sliced:
                message.slice_key.single_slice_keys.add(column='language', bytes_value=b'es')
            for model_name, value in (('candidate', accuracy), ('baseline', 0.1)):
                each = message.metric_keys_and_values.add()
                each.key.name, each.key.model_name = 'binary_accuracy', model_name
                each.value.double_value.value = 0.0 if sliced else value
            writer.write(message.SerializeToString())
    execute(context, 'Evaluator', [examples, model], 'ModelEvaluation', str(folder))
    execute(
        context, 'Pusher', [model], 'PushedModel', 'pushed',
        {'pushed': pushed, 'pushed_version': str(version), 'pushed_destination': f'{serving}/{version}'},
    )
"""


@pytest.fixture(scope='module')
def base_path(pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp('status') / 'vaiven-runs' / 'reviews'
    base = run / 'serving' / 'reviews'
    shutil.copytree(pushed, base)
    subprocess.run(
        [sys.executable, '-c', MAKE_STORE, str(run), str(base)],
        check=True,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
    )
    return base


@pytest.fixture(scope='module')
def client(base_path: Path) -> Iterator[Client]:
    with ServerProcess('reviews', base_path) as running, Client(running.grpc_address) as made:
        rollout = Rollout(made, 'reviews', configuration.of_one_model('reviews', base_path))
        rollout.promote(2)
        rollout.canary(3, 12.5)
        yield made


def shown(client: Client, folder: Path, *arguments: str, status: int = 0) -> str:
    answer = subprocess.run(
        [
            sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'status', '--server', client.address, *arguments
        ],
        capture_output=True, text=True, cwd=folder, timeout=60,
    )  # fmt: skip
    assert answer.returncode == status, answer
    return answer.stdout if status == 0 else answer.stderr


def test_the_store_of_a_run_says_what_its_versions_came_from(base_path: Path) -> None:
    found = lineage.origins(lineage.store_of(base_path), base_path)
    assert found == {
        number: Origin(
            f'2026-01-0{number}T12:00:00.1', ['reseñas.csv'], f'sha256:{number}', 1000 * number,
            {'binary_accuracy': accuracy},
        )
        for number, accuracy in ((1, 0.75), (2, 0.8125))
    }  # fmt: skip


def test_status_as_a_table(client: Client, base_path: Path) -> None:
    lines = shown(client, base_path.parents[3]).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ['version', 'state', 'labels', 'traffic', 'accuracy', 'rows', 'data', 'run'],
        ['3', 'AVAILABLE', 'canary', '12.5', '%'],
        ['2', 'AVAILABLE', 'stable', '87.5', '%', '81.2%', '2,000', 'reseñas.csv', '2026-01-02T12:00'],
        ['1', '-', '75.0%', '1,000', 'reseñas.csv', '2026-01-01T12:00'],
    ]


def test_status_as_json(client: Client, base_path: Path) -> None:
    told = json.loads(shown(client, base_path, '--json', '--base-path', '.'))
    assert told['notes'] == []
    versions = [
        (each['version'], each['state'], each['labels'], each['percent']) for each in told['versions']
    ]
    assert versions == [
        (3, 'AVAILABLE', ['canary'], 12.5),
        (2, 'AVAILABLE', ['stable'], 87.5),
        (1, '-', [], 0),
    ]
    assert told['versions'][0]['origin'] is None
    assert told['versions'][1]['origin']['fingerprint'] == 'sha256:2'


def test_a_server_elsewhere_is_shown_without_origins(client: Client, tmp_path: Path) -> None:
    told = json.loads(shown(client, tmp_path, '--json'))
    assert [each['version'] for each in told['versions']] == [3, 2]
    assert {each['origin'] for each in told['versions']} == {None}
    (tmp_path / 'split.json').write_text('{"model": "otro", "weights": {"stable": 100}}')
    told = json.loads(shown(client, tmp_path, '--json', '--split', 'split.json'))
    assert "is about 'otro', not 'reviews'" in told['notes'][0]
    (tmp_path / 'split.json').write_text('{"model": "reviews", "weights": {"gold": 5, "stable": 95}}')
    assert '5 % of the traffic asks for gold, which names no version' in shown(
        client, tmp_path, '--split', 'split.json'
    )


def test_a_store_that_is_none_is_told(client: Client, base_path: Path, tmp_path: Path) -> None:
    (tmp_path / 'metadata.sqlite').write_text('no store')
    message = shown(client, base_path.parents[3], '--metadata', str(tmp_path / 'metadata.sqlite'), status=2)
    assert 'cannot read the metadata store' in message
    assert message.count('\n') == 1
    with pytest.raises(ServingError, match='unable to open'):
        lineage.origins(tmp_path / 'none', base_path)


def test_metrics_that_have_gone_leave_the_rest(tmp_path: Path) -> None:
    assert lineage.metrics(tmp_path / 'gone') == {}


def test_a_damaged_evaluation_is_a_note(client: Client, base_path: Path, tmp_path: Path) -> None:
    run = base_path.parent.parent
    shutil.copytree(run, tmp_path / 'run')
    store = tmp_path / 'run' / 'metadata.sqlite'
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute('update Artifact set uri = replace(uri, ?, ?)', (str(run), str(tmp_path / 'run')))
    path = tmp_path / 'run' / 'evaluation-2-1' / 'metrics-00000-of-00001.tfrecord'
    path.write_bytes(struct.pack('<QI', 5, 0) + b'\xff' * 9)
    told = json.loads(
        shown(client, tmp_path, '--json', '--base-path', str(base_path), '--metadata', str(store))
    )
    assert told['notes'] == [f'version 2: {path} is damaged: a record holds no metrics']
    by_version = {each['version']: each['origin'] for each in told['versions']}
    assert by_version[2]['rows'] == 2000
    assert by_version[1]['metrics'] == {'binary_accuracy': 0.75}


def test_names_that_no_file_can_have_are_one_line(client: Client, tmp_path: Path) -> None:
    long = tmp_path / ('x' * 300)
    told = json.loads(shown(client, tmp_path, '--json', '--split', str(long)))
    assert told['notes'] == [f'cannot read {long}: File name too long']
    message = shown(client, tmp_path, '--base-path', str(long), status=2)
    assert message == f'vaiven: cannot read {long}: File name too long\n'
