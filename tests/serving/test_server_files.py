"""Session and platform configuration files: they take effect, and an invalid one is an error in one line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from raw_clients import Grpc, Rest, predict, values

from vaiven.serving.common.errors import ServingError
from vaiven.serving.server import session
from vaiven.serving.server.flags import Options, parse
from vaiven.serving.server.server_process import ServerProcess

PLATFORM = """
platform_configs {
  key: "tensorflow"
  value {
    source_adapter_config {
      [type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig] {
        legacy_config {
          BODY
        }
      }
    }
  }
}
"""


def options(**flags: object) -> Options:
    return parse([f'--{name}={value}' for name, value in {'model_base_path': '/m', **flags}.items()])[0]


def written(folder: Path, text: str) -> Path:
    path = folder / 'file'
    path.write_text(text)
    return path


def config_of(settings: session.SessionOptions) -> Any:
    from tensorflow.core.protobuf import config_pb2

    return config_pb2.ConfigProto.FromString(settings.config)


def test_a_server_runs_with_a_session_file(base_path: Path, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'intra_op_parallelism_threads: 1 inter_op_parallelism_threads: 3\n'
        'graph_options { optimizer_options { global_jit_level: ON_1 } }',
    )
    with ServerProcess('half', base_path, flags={'tensorflow_session_config_file': file}) as server:
        assert values(Grpc(server.grpc_address)('Predict', predict('half', x=[2.0]))) == [3]


def test_a_broken_session_file_is_one_line(base_path: Path, tmp_path: Path) -> None:
    file = written(tmp_path, 'intra_op_parallelism_threads: "one"')
    result = subprocess.run(
        [
            sys.executable, '-m', 'vaiven.serving.server', '--host=127.0.0.1', '--port=1',
            '--grpc_socket_path=' + str(tmp_path / 'socket'), '--port=0',
            f'--model_base_path={base_path}', f'--tensorflow_session_config_file={file}',
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 255
    (line,) = result.stdout.splitlines()
    assert line.startswith(
        'Failed to start server. Error: Error parsing text-format tensorflow.ConfigProto: 1:'
    )
    assert line.endswith(f'(in {file})')
    assert 'Traceback' not in result.stderr


def test_a_server_runs_with_a_platform_file(other_models: Path, tmp_path: Path) -> None:
    body = """
        session_config { intra_op_parallelism_threads: 1 allow_soft_placement: true }
        batching_parameters { max_batch_size { value: 4 } allowed_batch_sizes: [2, 4] }
        saved_model_tags: "serve"
        saved_model_tags: "cpu"
    """
    file = written(tmp_path, PLATFORM.replace('BODY', body))
    flags = {'platform_config_file': file, 'saved_model_tags': 'of no effect'}
    with ServerProcess('tf1', other_models / 'tf1', flags=flags) as server:
        grpc_client, rest = Grpc(server.grpc_address), Rest(server.rest_url)
        assert values(grpc_client('Predict', predict('tf1', x=[1.0, 2.0, 3.0]))) == [3, 6, 9]
        assert grpc_client.error('Predict', predict('tf1', x=[1.0] * 5)) == (
            'INVALID_ARGUMENT', 'Task size 5 is larger than maximum input batch size 4',
        )  # fmt: skip
        # An input without a dimension cannot be batched; it is not the server's end.
        assert values(grpc_client('Predict', predict('tf1', 'scaled', x=[1.0] * 5, factor=2.0))) == [2] * 5
        found = rest('/v1/models/tf1:predict', {'signature_name': 'number', 'instances': ['b', 'c', 'a']})
        assert found == (200, {'predictions': [2, -1, 1]})


def test_a_platform_file_decides_alone(tmp_path: Path) -> None:
    body = 'session_config { inter_op_parallelism_threads: 5 } prefer_tflite_model: true num_tflite_pools: 2'
    file = written(tmp_path, PLATFORM.replace('BODY', body))
    found, batching = session.session_options(
        options(platform_config_file=file, tensorflow_intra_op_parallelism=7, enable_batching='true')
    )
    assert batching is None
    assert found.tags == ('serve',)
    assert (found.tflite, found.interpreters) == (True, 2)
    config = config_of(found)
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (0, 5)


def test_flags_make_the_session() -> None:
    found, batching = session.session_options(
        options(
            tensorflow_session_parallelism=3,
            per_process_gpu_memory_fraction=0.5,
            xla_cpu_compilation_enabled='true',
            mixed_precision='bfloat16',
            saved_model_tags='serve,gpu',
        )
    )
    assert batching is None
    assert found.tags == ('serve', 'gpu')
    config = config_of(found)
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (3, 3)
    assert config.gpu_options.per_process_gpu_memory_fraction == 0.5
    assert config.graph_options.optimizer_options.global_jit_level == 1
    assert config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 == 1
    assert not config.graph_options.rewrite_options.disable_meta_optimizer


def test_graphs_run_as_they_are_where_the_flag_says_so() -> None:
    found, _ = session.session_options(options(optimize_graphs='false'))
    assert config_of(found).graph_options.rewrite_options.disable_meta_optimizer


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('platform_configs { key: ', 'Error parsing text-format tensorflow.serving.PlatformConfigMap: '),
        ('', 'has no platform "tensorflow"'),
        ('platform_configs { key: "other" value { } }', 'has no platform "tensorflow"'),
        (
            'platform_configs { key: "tensorflow" value { } }',
            'must have a SavedModelBundleSourceAdapterConfig',
        ),
        (
            PLATFORM.replace('BODY', 'batch: 1'),
            'Error parsing text-format tensorflow.serving.PlatformConfigMap: ',
        ),
        (
            PLATFORM.replace('BODY', 'batching_parameters { allowed_batch_sizes: [2, 4] }'),
            'Last entry in allowed_batch_sizes must match max_batch_size',
        ),
    ],
)
def test_the_error_of_an_invalid_platform_file_names_the_cause(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ServingError, match=says):
        session.session_options(options(platform_config_file=written(tmp_path, text)))
    with pytest.raises(ServingError, match='none: No such file'):
        session.session_options(options(platform_config_file=tmp_path / 'none'))
