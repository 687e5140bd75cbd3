"""The flags of `tensorflow_model_server`, by its names and defaults, and a few of our own.

Only `--name=value`, and for booleans `--name`, `--name=true`, `--name=false`. An argument that nobody knows is
reported and ignored, as the stock server does.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_MESSAGE_BYTES

# What the help of a flag says that is accepted because the stock server has it.
NO_EFFECT = 'no effect'


def _flag(default: Any, text: str) -> Any:
    return field(default=default, metadata={'help': text})


@dataclass(frozen=True)
class Options:
    """What the server was asked to do. Times are in the unit that the name says."""

    port: int = _flag(8500, 'port of the gRPC API; 0 with --grpc_socket_path: none')
    grpc_socket_path: str = _flag('', 'UNIX socket of the gRPC API, besides the port')
    rest_api_port: int = _flag(0, 'port of the REST API; 0: none')
    rest_api_num_threads: int = _flag(0, 'threads that parse REST bodies below 64 KiB; 0: four per CPU')
    rest_api_timeout_in_ms: int = _flag(30_000, 'time a REST request may take')
    rest_api_enable_cors_support: bool = _flag(False, 'send CORS headers')
    enable_batching: bool = _flag(False, 'run requests that wait together, as one batch')
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, 'a new label may name a version that is not loaded'
    )
    batching_parameters_file: str = _flag('', 'text file with BatchingParameters; needs --enable_batching')
    enable_per_model_batching_parameters: bool = _flag(
        False, 'batch a version by the batching_params.pbtxt in its folder, and not at all without one'
    )
    model_config_file: str = _flag('', 'text file with a ModelServerConfig: the models to serve')
    model_config_file_poll_wait_seconds: int = _flag(0, 'read that file again so often; 0: once')
    model_name: str = _flag('default', 'name of the model; not used with --model_config_file')
    model_base_path: str = _flag('', 'folder with the numbered versions of the model')
    num_load_threads: int = _flag(0, 'threads that load versions; 0: one')
    num_unload_threads: int = _flag(0, 'no effect: a version is unloaded by whoever used it last')
    max_num_load_retries: int = _flag(5, 'tries after a load that failed')
    load_retry_interval_micros: int = _flag(60_000_000, 'time between them')
    file_system_poll_wait_seconds: int = _flag(1, 'look for new versions so often; 0: once; below 0: never')
    flush_filesystem_caches: bool = _flag(True, 'no effect: nothing of a file system is cached')
    tensorflow_session_parallelism: int = _flag(0, 'threads of TensorFlow, intra and inter; 0: it decides')
    tensorflow_session_config_file: str = _flag('', 'text file with a ConfigProto for the sessions')
    tensorflow_intra_op_parallelism: int = _flag(0, 'threads inside an operation')
    tensorflow_inter_op_parallelism: int = _flag(0, 'operations at the same time')
    use_alts_credentials: bool = _flag(False, 'refused: ALTS is there inside of Google Cloud only')
    ssl_config_file: str = _flag('', 'text file with an SSLConfig: TLS for gRPC')
    platform_config_file: str = _flag('', 'text file with a PlatformConfigMap: sessions and batching')
    per_process_gpu_memory_fraction: float = _flag(0.0, 'share of GPU memory to take at once; 0: as needed')
    saved_model_tags: str = _flag('serve', 'which meta graph to load, comma-separated')
    grpc_channel_arguments: str = _flag('', 'arguments for gRPC, as key=value,key=value')
    grpc_max_threads: int = _flag(0, 'gRPC requests that run at the same time; 0: four per CPU')
    enable_model_warmup: bool = _flag(True, 'run the records in assets.extra before traffic')
    num_request_iterations_for_warmup: int = _flag(0, 'run each record so often; 0: once')
    version: bool = _flag(False, 'print the versions and end')
    monitoring_config_file: str = _flag('', 'text file with a MonitoringConfig: Prometheus, on the REST port')
    remove_unused_fields_from_bundle_metagraph: bool = _flag(True, 'no effect: none is ever kept')
    prefer_tflite_model: bool = _flag(False, 'serve model.tflite where a version has one')
    num_tflite_pools: int = _flag(0, 'pools of TFLite interpreters, multiplied by the next; 0: one')
    num_tflite_interpreters_per_pool: int = _flag(
        1, 'TFLite interpreters a version, times --num_tflite_pools'
    )
    enable_signature_method_name_check: bool = _flag(False, 'the method of a signature must fit the request')
    xla_cpu_compilation_enabled: bool = _flag(False, 'compile graphs for the CPU with XLA')
    xla_gpu_compilation_enabled: bool = _flag(False, 'compile graphs for GPUs with XLA')
    enable_profiler: bool = _flag(True, 'answer ProfilerService')
    thread_pool_factory_config_file: str = _flag('', 'refused: thread pools of other makes are C++')
    mixed_precision: str = _flag('', '"bfloat16" lets TensorFlow compute in 16 bits where it thinks it safe')
    skip_initialize_tpu: bool = _flag(False, 'no effect: there is no TPU to initialise')
    enable_grpc_healthcheck_service: bool = _flag(False, 'no effect: grpc.health.v1 is always there')
    enable_serialization_as_tensor_content: bool = _flag(False, 'answer with tensor_content')
    # Ours.
    host: str = _flag(
        '0.0.0.0', 'address to listen on, 0.0.0.0 or :: for all; 127.0.0.1 for this machine alone (ours)'
    )
    max_request_bytes: int = _flag(64 << 20, 'largest request on either port (ours)')
    optimize_graphs: bool = _flag(True, 'rewrite graphs for speed before the first run (ours)')
    max_batch_rows: int = _flag(0, 'most rows of a request; 0: any number (ours)')
    max_concurrent_requests: int = _flag(1024, 'requests in the server; more: RESOURCE_EXHAUSTED (ours)')
    rest_api_tls: bool = _flag(False, 'TLS of --ssl_config_file for REST, too (ours)')
    auth_tokens_file: str = _flag('', 'file with bearer tokens, one a line; both ports ask for one (ours)')
    admin_tokens_file: str = _flag(
        '', 'file with admin tokens: reloads and ProfilerService ask for one of these (ours)'
    )
    request_log_root: str = _flag(
        '', 'folders, comma-separated, that request logs stay below, whoever configures them (ours)'
    )
    drain_seconds: int = _flag(30, 'time that running requests get at the end (ours)')
    wait_for_labels: bool = _flag(False, 'open the ports when every version with a label is loaded (ours)')
    plain_requests_follow_stable: bool = _flag(
        False,
        'requests without version and label get the version with the label stable, if there is one (ours)',
    )
    reloaded_config_file: str = _flag('', 'keep what ModelService is told in this file (ours)')
    exit_with_stdin: bool = _flag(False, 'end when standard input ends (ours)')


def parse(arguments: Sequence[str]) -> tuple[Options, list[str]]:
    """The options in `arguments`, and those arguments that are no flags.

    Raises:
        ServingError: a value that is not of the flag's type, or options that make no sense together.
    """
    kinds = {option.name: option.type for option in dataclasses.fields(Options)}
    values: dict[str, Any] = {}
    unknown = []
    for argument in arguments:
        name, equals, text = argument.removeprefix('--').partition('=')
        if argument.startswith('--') and name in kinds:
            values[name] = _value(name, kinds[name], text if equals else None)
        else:
            unknown.append(argument)
    return check(Options(**values)), unknown


def _value(name: str, kind: Any, text: str | None) -> Any:
    if kind is bool:
        if text in (None, 'true', 'false'):
            return text != 'false'
        raise ServingError(f'--{name} takes true or false. Received: {text!r}')
    if text is None:
        raise ServingError(f'--{name} needs a value: --{name}=VALUE')
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError:
        noun = 'an integer' if kind is int else 'a number'
        raise ServingError(f'--{name} takes {noun}. Received: {text!r}') from None


def check(options: Options) -> Options:
    """`options` if they make sense together. Raises ServingError where they do not."""
    if options.version:
        return options
    _check_ranges(options)
    rules = (
        (
            not options.port and not options.grpc_socket_path,
            'give --port=PORT, 1 to 65535, or --grpc_socket_path=FILE',
        ),
        (
            not options.model_base_path and not options.model_config_file,
            'give --model_base_path=DIR or --model_config_file=FILE',
        ),
        (
            options.use_alts_credentials,
            '--use_alts_credentials cannot be had outside of Google Cloud: use --ssl_config_file',
        ),
        (
            options.thread_pool_factory_config_file,
            '--thread_pool_factory_config_file names C++ classes, which this server has none of: leave it out',
        ),
        (
            options.batching_parameters_file and not options.enable_batching,
            '--batching_parameters_file needs --enable_batching: give both, or neither',
        ),
        (
            options.enable_per_model_batching_parameters and not options.enable_batching,
            '--enable_per_model_batching_parameters needs --enable_batching: give both, or neither',
        ),
        (
            options.tensorflow_session_parallelism
            and (options.tensorflow_intra_op_parallelism or options.tensorflow_inter_op_parallelism),
            '--tensorflow_session_parallelism sets both others: give it alone, or the two without it',
        ),
        (
            options.mixed_precision not in ('', 'bfloat16'),
            f'--mixed_precision takes bfloat16, or is left out. Received: {options.mixed_precision!r}',
        ),
        (
            options.rest_api_tls and not options.ssl_config_file,
            '--rest_api_tls needs the key of --ssl_config_file: give both',
        ),
    )
    for broken, line in rules:
        if broken:
            raise ServingError(line)
    return options


def _check_ranges(options: Options) -> None:
    for name in ('port', 'rest_api_port'):
        if not 0 <= getattr(options, name) < 1 << 16:
            raise ServingError(f'--{name} takes a port, 0 to 65535. Received: {getattr(options, name)}')
    for name in ('max_request_bytes', 'max_concurrent_requests', 'rest_api_timeout_in_ms'):
        if getattr(options, name) <= 0:
            raise ServingError(f'--{name} must be above 0. Received: {getattr(options, name)}')
    if options.max_request_bytes > MAX_MESSAGE_BYTES:
        raise ServingError(
            f'--max_request_bytes must not be above {MAX_MESSAGE_BYTES}, the most that gRPC can carry. '
            f'Received: {options.max_request_bytes}'
        )
    for name in (
        'drain_seconds',
        'max_num_load_retries',
        'load_retry_interval_micros',
        'grpc_max_threads',
        'rest_api_num_threads',
        'max_batch_rows',
        'tensorflow_session_parallelism',
        'num_tflite_pools',
        'tensorflow_intra_op_parallelism',
        'tensorflow_inter_op_parallelism',
        'num_load_threads',
    ):
        if getattr(options, name) < 0:
            raise ServingError(f'--{name} must not be below 0. Received: {getattr(options, name)}')
    if not 0 <= options.per_process_gpu_memory_fraction <= 1:
        given = options.per_process_gpu_memory_fraction
        raise ServingError(f'--per_process_gpu_memory_fraction takes a share, 0 to 1. Received: {given}')


def without_effect(options: Options) -> Iterator[tuple[str, str]]:
    """The flags that are set and change nothing, with the reason."""
    for option in dataclasses.fields(Options):
        said, _, reason = option.metadata['help'].partition(': ')
        if said == NO_EFFECT and getattr(options, option.name) != option.default:
            yield option.name, reason


def channel_arguments(text: str) -> list[tuple[str, int | str]]:
    """`key=value,key=value` as gRPC takes it: what reads as an integer is one. Raises ServingError."""
    found: list[tuple[str, int | str]] = []
    for pair in filter(None, text.split(',')):
        key, equals, value = pair.partition('=')
        if not key or not equals:
            raise ServingError(f'--grpc_channel_arguments takes key=value,key=value. Received: {text!r}')
        number = value.removeprefix('-').isdecimal()
        found.append((key.strip(), int(value) if number else value))
    return found


def usage() -> str:
    """What --help prints."""
    lines = ['usage: vaiven-model-server --model_base_path=DIR [--name=value ...]', '']
    for option in dataclasses.fields(Options):
        default = str(option.default).lower() if option.type is bool else option.default
        lines.append(f'  --{option.name}={default}')
        lines.append(f'      {option.metadata["help"]}')
    return '\n'.join(lines)
