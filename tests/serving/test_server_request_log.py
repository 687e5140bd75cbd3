"""Sampled requests are written to files that TensorFlow reads and a warm-up runs, and never delay a request."""

import logging
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from raw_clients import wait_until

from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server import runtime, tfrecord_writer
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.request_log import RequestLog, check
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.server.tfrecord_writer import RecordWriter
from vaiven.serving.server.warmup import MAX_RECORDS, records
from vaiven.serving.wire import messages, tensors


@pytest.fixture(scope='module', autouse=True)
def _imported() -> None:
    """A server has TensorFlow before it logs; `close` does not wait as long as an import may take."""
    runtime.tensorflow()


def config(prefix: Path | str, rate: float = 1.0, kind: str = '') -> Any:
    made = messages.LoggingConfig()
    made.log_collector_config.type = kind
    made.log_collector_config.filename_prefix = str(prefix)
    made.sampling_config.sampling_rate = rate
    return made


def predict_request(value: float = 1.0) -> tuple[Any, Any]:
    request = messages.PredictRequest(model_spec=messages.ModelSpec(name='half'))
    request.inputs['x'].CopyFrom(tensors.to_proto([value]))
    response = messages.PredictResponse()
    response.outputs['y'].CopyFrom(tensors.to_proto([value / 2]))
    return request, response


def logged(folder: Path) -> list[Any]:
    """All records of all complete files, as TensorFlow reads them."""
    tf = pytest.importorskip('tensorflow')
    return [
        messages.PredictionLog.FromString(record)
        for path in sorted(folder.glob('*.tfrecord'))
        for record in tf.compat.v1.io.tf_record_iterator(str(path))
    ]


def test_a_request_and_its_answer_are_logged_with_who_answered(tmp_path: Path) -> None:
    log = RequestLog('half', config(tmp_path / 'log', 1.0, 'tfrecord'), tags=('serve', 'x'))
    assert log.sampled()
    request, response = predict_request(3.0)
    log.write('predict', request, response, 7)
    request.inputs.clear()
    log.close()
    (record,) = logged(tmp_path)
    about = record.log_metadata
    assert (about.model_spec.name, about.model_spec.version.value) == ('half', 7)
    assert about.model_spec.signature_name == 'serving_default'
    assert about.sampling_config.sampling_rate == 1.0
    assert list(about.saved_model_tags) == ['serve', 'x']
    assert about.timestamp_secs > 1_700_000_000
    assert tensors.to_array(record.predict_log.request.inputs['x']).tolist() == [3.0]
    assert record.predict_log.response == response


def test_every_kind_of_request_is_logged(tmp_path: Path) -> None:
    log = RequestLog('m', config(tmp_path / 'log'))
    spec = messages.ModelSpec(name='m', signature_name='s')
    log.write(
        'classify', messages.ClassificationRequest(model_spec=spec), messages.ClassificationResponse(), 1
    )
    log.write('regress', messages.RegressionRequest(model_spec=spec), messages.RegressionResponse(), 1)
    multi = messages.MultiInferenceRequest()
    multi.tasks.add().model_spec.CopyFrom(spec)
    log.write('multi_inference', multi, messages.MultiInferenceResponse(), 1)
    log.close()
    found = logged(tmp_path)
    assert [record.WhichOneof('log_type') for record in found] == [
        'classify_log', 'regress_log', 'multi_inference_log',
    ]  # fmt: skip
    assert {record.log_metadata.model_spec.signature_name for record in found} == {'s'}


def test_a_record_is_in_its_file_before_the_end_and_the_file_is_for_the_owner_alone(tmp_path: Path) -> None:
    log = RequestLog('half', config(f'{tmp_path}/'))
    assert not list(tmp_path.iterdir()), 'no file before the first record'
    log.write('predict', *predict_request(), 1)
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.glob('*.tfrecord.partial')))
    (partial,) = tmp_path.iterdir()
    assert len(list(records(partial))) == 1
    log.close()
    (path,) = tmp_path.iterdir()
    assert path.name == partial.name.removesuffix('.partial')
    assert f'-{os.getpid()}-' in path.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_sample_of_none_and_of_some(tmp_path: Path) -> None:
    never = RequestLog('m', config(tmp_path / 'log', 0.0))
    assert not any(never.sampled() for _ in range(1000))
    half = RequestLog('m', config(tmp_path / 'log', 0.5))
    assert 300 < sum(half.sampled() for _ in range(1000)) < 700
    never.close()
    half.close()
    assert not list(tmp_path.iterdir())


def test_files_are_completed_at_their_size_and_at_a_warm_ups_number_of_records(tmp_path: Path) -> None:
    files = RecordWriter(f'{tmp_path}/a', 'm', max_file_bytes=250)
    for _ in range(5):
        files.put(b'x' * 100)
    files.close()
    assert sorted(path.stat().st_size for path in tmp_path.iterdir()) == [232, 348]
    assert tfrecord_writer.MAX_FILE_RECORDS <= MAX_RECORDS
    files = RecordWriter(f'{tmp_path}/b', 'm', max_file_records=2)
    for _ in range(5):
        files.put(b'x')
    files.close()
    found = sorted(tmp_path.glob('b*'), key=lambda path: int(path.stem.rsplit('-', 1)[1]))
    assert [len(list(records(path))) for path in found] == [2, 2, 1]


def test_a_log_is_good_as_a_warm_up_file(made_models: list[Path], tmp_path: Path) -> None:
    log = RequestLog('half', config(tmp_path / 'log'))
    log.write('predict', *predict_request(), 1)
    log.write('predict', *predict_request(2.0), 1)
    log.close()
    (path,) = tmp_path.iterdir()
    shutil.copytree(made_models[0], tmp_path / 'half' / '1')
    extra = tmp_path / 'half' / '1' / 'assets.extra'
    extra.mkdir()
    path.rename(extra / 'tf_serving_warmup_requests')
    lines = tmp_path / 'lines'
    with ServerProcess('half', tmp_path / 'half', log_path=lines):
        pass
    assert 'warmed up model=half version=1 records=2' in lines.read_text()


def test_a_queue_that_is_full_drops_records_counts_them_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, 'vaiven.serving')
    reports: list[tuple[str, int]] = []
    files = RecordWriter(
        f'{tmp_path}/log', 'm', lambda *facts: reports.append(facts), max_queue_records=2, max_queue_bytes=100
    )
    going, gate = threading.Event(), threading.Event()
    write = files._write

    def slow(record: bytes) -> None:
        going.set()
        assert gate.wait(30)
        write(record)

    monkeypatch.setattr(files, '_write', slow)
    assert files.put(b'first')
    assert going.wait(30)
    assert files.put(b'second')
    assert not files.put(b'x' * 99), 'too many bytes'
    assert files.put(b'third')
    assert [files.put(b'more') for _ in range(50)] == [False] * 50
    gate.set()
    wait_until(lambda: not files._overflowed)
    assert files.put(b'again')
    files.close()
    assert not files.put(b'too late')
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if 'full' in line or 'again' in line] == [
        'request log model=m error="the queue is full: requests are not logged"',
        'request log model=m state="keeps up again" dropped=51',
    ]
    (path,) = tmp_path.iterdir()
    assert list(records(path)) == [b'first', b'second', b'third', b'again']
    assert sum(number for status, number in reports if status == 'OK') == 4
    assert sum(number for status, number in reports if status == Code.RESOURCE_EXHAUSTED.name) == 52


DISK_FULL = """
import resource, sys
from vaiven.serving.common import log
from vaiven.serving.server import runtime, tfrecord_writer
log.start(sys.stdout)
runtime.tensorflow()
tfrecord_writer.RETRY_SECONDS = 0.0
reports = {}
def report(status, number):
    reports[status] = reports.get(status, 0) + number
files = tfrecord_writer.RecordWriter(sys.argv[1], 'm', report)
def put(record):
    files.put(record)
    while files._queue or sum(reports.values()) < put.count + 1:
        pass
    put.count += 1
put.count = 0
for _ in range(3):
    put(b'x' * 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (3500, resource.RLIM_INFINITY))
for _ in range(6):
    put(b'y' * 1000000)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
put(b'z' * 1000)
files.close()
print(reports)
"""


def test_a_disk_error_costs_records_but_no_file_and_is_logged_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-c', DISK_FULL, f'{tmp_path}/log'],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "{'OK': 4, 'UNAVAILABLE': 6}"
    assert len([line for line in lines if ' ERROR request log' in line]) == 1
    assert len([line for line in lines if 'state="writes again" dropped=6' in line]) == 1
    first, second = sorted(tmp_path.iterdir())
    assert first.suffix == second.suffix == '.tfrecord'
    assert list(records(first)) == [b'x' * 1000] * 3
    assert list(records(second)) == [b'z' * 1000]


def test_a_folder_that_disappears_fails_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / 'gone'
    folder.mkdir()
    metrics = Metrics()
    log = RequestLog('half', config(folder / 'log'), metrics=metrics)
    folder.rmdir()
    log.write('predict', *predict_request(), 1)
    log.write('predict', *predict_request(), 1)
    log.close()
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert 'vaiven_request_log_dropped_count{model_name="half"} 2' in metrics.render()


def test_a_request_that_cannot_be_logged_does_not_fail(tmp_path: Path, caplog: Any) -> None:
    log = RequestLog('half', config(tmp_path / 'log'))
    log.write('predict', object(), object(), 1)
    log.close()
    assert 'request log' in caplog.text


@pytest.mark.parametrize(
    ('prefix', 'rate', 'kind', 'says'),
    [
        ('relative/log', 1.0, '', 'filename_prefix must be an absolute path'),
        ('', 1.0, '', 'filename_prefix must be an absolute path'),
        ('/no/such/folder/log', 1.0, '', 'no such folder: /no/such/folder'),
        ('/tmp\0/log', 1.0, '', 'filename_prefix must be an absolute path'),
        ('/tmp/log', 1.5, '', 'sampling_rate must be from 0 to 1. Received: 1.5'),
        ('/tmp/log', float('nan'), '', 'sampling_rate must be from 0 to 1. Received: nan'),
        ('/tmp/log', 1.0, 'kafka', 'type must be "tfrecord". Received: "kafka"'),
    ],
)
def test_a_configuration_that_cannot_be_followed_is_refused(
    prefix: str, rate: float, kind: str, says: str
) -> None:
    with pytest.raises(StatusError) as caught:
        check('half', config(prefix, rate, kind))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert says in caught.value.message
    assert 'model half' in caught.value.message


def test_a_folder_that_is_not_writable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, 'access', lambda path, mode: False)  # for root every folder is writable
    with pytest.raises(StatusError, match='is not writable'):
        RequestLog('half', config(tmp_path / 'log'))
