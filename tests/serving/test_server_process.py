"""The server as a process: it starts or reports why not, shuts down gracefully, and never outlives its parent."""

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from raw_clients import Grpc, Rest, wait_until

from vaiven.serving.common.errors import ServerStartError
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors

COMMAND = [sys.executable, '-m', 'vaiven.serving.server']


def gone(pid: int) -> bool:
    """Whether no process has this ID, or only a zombie."""
    try:
        return ') Z ' in Path(f'/proc/{pid}/stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *flags], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.usefixtures('started_processes')
def test_sigterm_lets_running_requests_end_and_the_log_has_only_our_lines(
    base_path: Path, tmp_path: Path
) -> None:
    log = tmp_path / 'log'
    process = ServerProcess('half', base_path, log_path=log)
    process.start()
    grpc_client = Grpc(process.grpc_address)
    request = messages.PredictRequest(model_spec=messages.ModelSpec(name='half', signature_name='slow'))
    request.inputs['seconds'].CopyFrom(tensors.to_proto([1.5]))
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(grpc_client('Predict', request)))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert process.stop() == 0
    thread.join()
    assert answers[0].outputs['done'].float_val == [1.5]
    assert time.monotonic() - began > 0.5, 'the server did not wait'
    lines = log.read_text().splitlines()
    assert all(' INFO ' in line for line in lines), lines
    events = [line.split(' INFO ')[1] for line in lines]
    assert events[-1] == 'stopped'
    assert any(event.startswith('version model=half version=1 state=AVAILABLE') for event in events)


def test_a_broken_newest_version_does_not_keep_a_server_from_starting(
    base_path: Path, tmp_path: Path
) -> None:
    base = tmp_path / 'm'
    shutil.copytree(base_path, base)
    (base / '2').mkdir()
    with (
        ServerProcess('m', base) as server,
        urllib.request.urlopen(server.rest_url + '/v1/models/m') as answer,
    ):
        assert b'"state": "AVAILABLE"' in answer.read()


def test_a_server_without_a_good_version_ends_and_says_why(tmp_path: Path) -> None:
    (tmp_path / 'm' / '1').mkdir(parents=True)
    with (
        pytest.raises(ServerStartError, match='Could not find SavedModel') as caught,
        ServerProcess('m', tmp_path / 'm'),
    ):
        pass
    assert 'ended with status 255' in str(caught.value)


def test_a_server_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    process = ServerProcess('m', tmp_path / 'nowhere', timeout=4)
    with pytest.raises(ServerStartError, match='not ready after 4 s'):
        process.start()
    with pytest.raises(ServerStartError, match='not running'):
        _ = process.pid


@pytest.mark.usefixtures('started_processes')
def test_a_taken_port_is_one_clear_line(base_path: Path) -> None:
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        result = run('--host=127.0.0.1', f'--port={port}', f'--model_base_path={base_path}')
        assert result.returncode == 255
        assert result.stderr == ''
        (line,) = result.stdout.splitlines()
        assert line.startswith(
            f'Failed to start server. Error: port {port} on 127.0.0.1 cannot be used: Address already in use.'
        )
        with pytest.raises(ServerStartError, match=f'port {port} .* cannot be used'):
            ServerProcess('half', base_path, port=port, rest_port=1).start()


def test_a_killed_parent_leaves_no_server_behind(base_path: Path) -> None:
    code = (
        'import sys, time; from vaiven.serving.server.server_process import ServerProcess\n'
        f'server = ServerProcess("half", {str(base_path)!r}); server.start()\n'
        'print(server.pid, flush=True); time.sleep(600)'
    )
    with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.kill()
    wait_until(lambda: gone(child), 20)


def test_a_configuration_file_is_read_again_and_a_broken_one_changes_nothing(
    base_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / 'models.config'
    entry = 'config {{ name: "{}" base_path: "{}" model_platform: "tensorflow" {} }}'
    half = entry.format('half', base_path, 'version_labels { key: "stable" value: 1 }')
    other = entry.format('other', base_path, '')
    file.write_text(f'model_config_list {{ {half} }}')
    flags = {
        'model_config_file': file,
        'model_config_file_poll_wait_seconds': 1,
        'allow_version_labels_for_unavailable_models': True,
    }
    with ServerProcess('half', base_path, flags=flags) as server:
        rest = Rest(server.rest_url)
        body = {'instances': [1]}
        assert rest('/v1/models/half/labels/stable:predict', body) == (200, {'predictions': [2.5]})
        file.write_text('model_config_list { config {')
        wait_until(lambda: 'Error parsing text-format' in server.log_tail())
        assert rest('/v1/models/half:predict', body)[0] == 200
        file.write_text(f'model_config_list {{ {half} {other} }}')
        wait_until(lambda: rest('/v1/models/other:predict', body)[0] == 200)


@pytest.mark.usefixtures('started_processes')
def test_an_interrupt_while_starting_is_an_orderly_end(base_path: Path) -> None:
    command = [*COMMAND, f'--port={free_port()}', f'--model_base_path={base_path}']
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: catches(process.pid, signal.SIGTERM))
            process.send_signal(signal.SIGINT)
            _, text = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, text
    assert 'Traceback' not in text


def free_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as probe:
        return probe.getsockname()[1]


def catches(pid: int, number: int) -> bool:
    """Whether the process has set a handler for the signal."""
    text = Path(f'/proc/{pid}/status').read_text()
    caught = next(line for line in text.splitlines() if line.startswith('SigCgt:'))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        ([], 'give --model_base_path=DIR or --model_config_file=FILE'),
        (['--model_base_path=x', '--port=high'], "--port takes an integer. Received: 'high'"),
        (['--model_base_path=x', '--port=70000'], '--port takes a port, 0 to 65535. Received: 70000'),
        (['--model_base_path=x', '--port'], '--port needs a value: --port=VALUE'),
        (['--model_base_path=x', '--port=0'], 'give --port=PORT, 1 to 65535, or --grpc_socket_path=FILE'),
        (['--model_base_path=x', '--enable_model_warmup=1'], '--enable_model_warmup takes true or false'),
        (['--model_base_path=x', '--batching_parameters_file=f'], 'needs --enable_batching'),
        (['--model_base_path=x', '--use_alts_credentials'], 'works in Google Cloud only'),
        (['--model_base_path=x', '--thread_pool_factory_config_file=f'], 'names C++ classes'),
        (['--model_base_path=x', '--mixed_precision=float8'], '--mixed_precision takes bfloat16'),
        (['--model_base_path=x', '--per_process_gpu_memory_fraction=2'], 'takes a share, 0 to 1'),
        (['--model_base_path=x', '--rest_api_tls'], 'needs the key of --ssl_config_file'),
        (
            [
                '--model_base_path=x', '--tensorflow_session_parallelism=2',
                '--tensorflow_intra_op_parallelism=2', '--tensorflow_inter_op_parallelism=2',
            ],
            '--tensorflow_session_parallelism sets both other flags',
        ),
    ],
)  # fmt: skip
def test_invalid_flags_give_one_line_and_the_usage(flags: list[str], says: str) -> None:
    result = run(*flags)
    assert result.returncode == 255
    assert result.stderr == ''
    line, usage = result.stdout.splitlines()[:2]
    assert says in line
    assert usage.startswith('usage: vaiven-model-server ')


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (['--model_config_file=/nowhere/file'], 'cannot read /nowhere/file: No such file or directory'),
        (['--model_base_path=/x', '--grpc_channel_arguments=a'], 'takes key=value,key=value'),
    ],
)
def test_a_start_that_fails_is_one_line(flags: list[str], says: str) -> None:
    result = run(f'--port={free_port()}', *flags)
    assert result.returncode == 255
    (line,) = result.stdout.splitlines()
    assert line.startswith('Failed to start server. Error: ')
    assert says in line


def test_help_and_version_and_unknown_arguments() -> None:
    result = run('--help')
    assert (result.returncode, result.stderr) == (255, '')
    assert '--enable_batching=false' in result.stdout
    result = run('--version', '--model_base_path=x')
    assert result.returncode == 0
    first, second = result.stdout.splitlines()
    assert first.startswith('TensorFlow ModelServer: ')
    assert second.startswith('TensorFlow Library: 2.')
    result = run('--knows_nobody=1', 'serve', '--model_config_file=/nowhere')
    lines = result.stdout.splitlines()
    assert lines[:2] == ['unknown argument: --knows_nobody=1', 'unknown argument: serve']
    assert lines[2].startswith('usage: ')


@pytest.mark.parametrize(
    ('flag', 'message'),
    [
        ('--model_config_file', 'tensorflow.serving.ModelServerConfig'),
        ('--monitoring_config_file', 'tensorflow.serving.MonitoringConfig'),
    ],
)
def test_a_configuration_that_does_not_parse_is_on_standard_error_too(
    tmp_path: Path, flag: str, message: str
) -> None:
    (tmp_path / 'file').write_text('what is this {')
    result = run(f'--port={free_port()}', f'{flag}={tmp_path}/file', '--model_base_path=/x')
    assert result.returncode == 255
    (line,) = result.stderr.splitlines()
    assert line.startswith(f'Error parsing text-format {message}')
    assert result.stdout == f'Failed to start server. Error: {line}\n'


@pytest.mark.parametrize('address', ['gs://bucket/half', 's3://bucket/half', 'hdfs://node/half'])
def test_a_base_path_on_another_system_is_refused_at_once(tmp_path: Path, address: str) -> None:
    file = tmp_path / 'models.config'
    file.write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{address}" model_platform: "tensorflow" }} }}'
    )
    for flag in (f'--model_base_path={address}', f'--model_config_file={file}'):
        result = run(f'--port={free_port()}', flag)
        assert result.returncode == 255
        (line,) = result.stdout.splitlines()
        assert 'base_path must be a folder of this machine' in line
        assert address in line
