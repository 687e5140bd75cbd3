"""The flags of `tensorflow_model_server` with their names and defaults, and further ones of this server.

The syntax is `--name=value`; for booleans `--name`, `--name=true` and `--name=false`. As in the stock server, an
unknown argument is reported and ignored.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_MESSAGE_BYTES

# The help of a flag that is accepted only for compatibility with the stock server starts with this.
NO_EFFECT = 'no effect'


def _flag(default: Any, text: str) -> Any:
    return field(default=default, metadata={'help': text})


@dataclass(frozen=True)
class Options:
    """The flags of the server. Their help texts are in the metadata of the fields."""

    port: int = _flag(8500, 'port of the gRPC API; 0 for none, with --grpc_socket_path')
    grpc_socket_path: str = _flag('', 'UNIX socket of the gRPC API, in addition to the port')
    rest_api_port: int = _flag(0, 'port of the REST API; 0 for none')
    rest_api_num_threads: int = _flag(0, 'threads that parse REST bodies below 64 KiB; 0: four per CPU')
    rest_api_timeout_in_ms: int = _flag(30_000, 'timeout of REST requests')
    rest_api_enable_cors_support: bool = _flag(False, 'send CORS headers')
    enable_batching: bool = _flag(False, 'run concurrent requests as one batch')
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, 'allow new labels for versions that are not loaded'
    )
    batching_parameters_file: str = _flag('', 'text file with BatchingParameters; needs --enable_batching')
    enable_per_model_batching_parameters: bool = _flag(
        False,
        'batch each version by the batching_params.pbtxt in its folder, and not without that file',
    )
    model_config_file: str = _flag('', 'text file with a ModelServerConfig: the models to serve')
    model_config_file_poll_wait_seconds: int = _flag(
        0, 'time between two reads of that file; 0: read it once'
    )
    model_name: str = _flag('default', 'name of the model; ignored with --model_config_file')
    model_base_path: str = _flag('', 'folder with the numbered versions of the model')
    num_load_threads: int = _flag(0, 'threads that load versions; 0: one')
    num_unload_threads: int = _flag(0, 'no effect: the last request of a version unloads it')
    max_num_load_retries: int = _flag(5, 'retries of a failed load')
    load_retry_interval_micros: int = _flag(60_000_000, 'time between two retries')
    file_system_poll_wait_seconds: int = _flag(
        1, 'time between two looks for new versions; 0: one look; below 0: none'
    )
    flush_filesystem_caches: bool = _flag(True, 'no effect: this server has no file system cache')
    tensorflow_session_parallelism: int = _flag(
        0, 'sets both thread counts of TensorFlow below; 0: automatic'
    )
    tensorflow_session_config_file: str = _flag('', 'text file with a ConfigProto for the sessions')
    tensorflow_intra_op_parallelism: int = _flag(0, 'threads of one operation; 0: automatic')
    tensorflow_inter_op_parallelism: int = _flag(0, 'concurrent operations; 0: automatic')
    use_alts_credentials: bool = _flag(False, 'not supported: ALTS exists in Google Cloud only')
    ssl_config_file: str = _flag('', 'text file with an SSLConfig: TLS for gRPC')
    platform_config_file: str = _flag('', 'text file with a PlatformConfigMap: sessions and batching')
    per_process_gpu_memory_fraction: float = _flag(
        0.0, 'share of the GPU memory to allocate at start; 0: as needed'
    )
    saved_model_tags: str = _flag('serve', 'tags of the meta graph to load, comma-separated')
    grpc_channel_arguments: str = _flag('', 'arguments of the gRPC server, as key=value,key=value')
    grpc_max_threads: int = _flag(0, 'runs of models outside of batches at the same time; 0: four per CPU')
    enable_model_warmup: bool = _flag(
        True, 'run the warm-up records in assets.extra before a version takes traffic'
    )
    num_request_iterations_for_warmup: int = _flag(0, 'runs of each warm-up record; 0: one')
    version: bool = _flag(False, 'print the versions and exit')
    monitoring_config_file: str = _flag(
        '', 'text file with a MonitoringConfig: Prometheus metrics on the REST port'
    )
    remove_unused_fields_from_bundle_metagraph: bool = _flag(True, 'no effect: unused fields are never kept')
    prefer_tflite_model: bool = _flag(False, 'serve model.tflite where a version has one')
    num_tflite_pools: int = _flag(0, 'pools of TFLite interpreters per version; 0: one')
    num_tflite_interpreters_per_pool: int = _flag(1, 'TFLite interpreters per pool')
    enable_signature_method_name_check: bool = _flag(
        False, 'reject requests that do not match the method_name of the signature'
    )
    xla_cpu_compilation_enabled: bool = _flag(False, 'compile graphs for the CPU with XLA')
    xla_gpu_compilation_enabled: bool = _flag(False, 'compile graphs for GPUs with XLA')
    enable_profiler: bool = _flag(True, 'answer ProfilerService')
    thread_pool_factory_config_file: str = _flag('', 'not supported: custom thread pools are C++ classes')
    mixed_precision: str = _flag(
        '', '"bfloat16" allows TensorFlow to compute in 16 bits where it considers that safe'
    )
    skip_initialize_tpu: bool = _flag(False, 'no effect: TPUs are not supported')
    enable_grpc_healthcheck_service: bool = _flag(False, 'no effect: grpc.health.v1 is always enabled')
    enable_serialization_as_tensor_content: bool = _flag(False, 'write tensor_content in responses')
    # The stock server does not have the following flags.
    host: str = _flag(
        '0.0.0.0',
        'address to listen on; 0.0.0.0 or :: for all interfaces, 127.0.0.1 for this machine only (vaiven)',
    )
    max_request_bytes: int = _flag(64 << 20, 'maximum size of a request on both ports (vaiven)')
    optimize_graphs: bool = _flag(True, 'let TensorFlow optimise graphs before the first run (vaiven)')
    automatic_batching: bool = _flag(
        False, 'batch the requests that wait at the same time where they can share a run (vaiven)'
    )
    max_batch_rows: int = _flag(0, 'maximum rows of a request; 0: any number (vaiven)')
    max_concurrent_requests: int = _flag(
        1024, 'maximum requests in progress; more fail with RESOURCE_EXHAUSTED (vaiven)'
    )
    rest_api_tls: bool = _flag(False, 'use the TLS of --ssl_config_file for REST as well (vaiven)')
    auth_tokens_file: str = _flag(
        '', 'file with bearer tokens, one per line; both ports require one (vaiven)'
    )
    admin_tokens_file: str = _flag(
        '', 'file with admin tokens; reloads and ProfilerService require one of them (vaiven)'
    )
    request_log_root: str = _flag(
        '', 'folders, comma-separated; all request logs must be below one of them (vaiven)'
    )
    drain_seconds: int = _flag(30, 'time for running requests to finish at shutdown (vaiven)')
    wait_for_labels: bool = _flag(False, 'open the ports only when every labelled version is loaded (vaiven)')
    plain_requests_follow_stable: bool = _flag(
        False,
        'send requests without version and label to the version with the label stable, if there is one (vaiven)',
    )
    reloaded_config_file: str = _flag('', 'save the configurations from ModelService in this file (vaiven)')
    exit_with_stdin: bool = _flag(False, 'exit when standard input ends (vaiven)')


def parse(arguments: Sequence[str]) -> tuple[Options, list[str]]:
    """The options in `arguments`, and the unknown arguments.

    Args:
        arguments: the command line, without the name of the program.

    Raises:
        ServingError: a value has the wrong type, or the options contradict one another.
    """
    # The annotations are types, and not strings: this module must not import `annotations` from `__future__`.
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
        # As upstream, `=1` and `=True` are errors.
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
    """Returns `options`. Raises ServingError if they contradict one another or are out of range."""
    if options.version:  # needs no model
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
            '--use_alts_credentials works in Google Cloud only: use --ssl_config_file',
        ),
        (
            options.thread_pool_factory_config_file,
            '--thread_pool_factory_config_file names C++ classes, which this server cannot load: omit it',
        ),
        (
            options.batching_parameters_file and not options.enable_batching,
            '--batching_parameters_file needs --enable_batching: give both, or neither',
        ),
        (
            options.automatic_batching and options.enable_batching,
            '--automatic_batching is batching without parameters: give it alone, or --enable_batching',
        ),
        (
            options.enable_per_model_batching_parameters and not options.enable_batching,
            '--enable_per_model_batching_parameters needs --enable_batching: give both, or neither',
        ),
        (
            options.tensorflow_session_parallelism
            and (options.tensorflow_intra_op_parallelism or options.tensorflow_inter_op_parallelism),
            '--tensorflow_session_parallelism sets both other flags: give it alone, or the two without it',
        ),
        (
            options.mixed_precision not in ('', 'bfloat16'),
            f'--mixed_precision takes bfloat16, or is omitted. Received: {options.mixed_precision!r}',
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
            f'--max_request_bytes must not be above {MAX_MESSAGE_BYTES}, the maximum of gRPC. '
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
        fraction = options.per_process_gpu_memory_fraction
        raise ServingError(f'--per_process_gpu_memory_fraction takes a share, 0 to 1. Received: {fraction}')


def without_effect(options: Options) -> Iterator[tuple[str, str]]:
    """The flags that are set but have no effect, with the reason."""
    for option in dataclasses.fields(Options):
        effect, _, reason = option.metadata['help'].partition(': ')
        if effect == NO_EFFECT and getattr(options, option.name) != option.default:
            yield option.name, reason


def channel_arguments(text: str) -> list[tuple[str, int | str]]:
    """The arguments in `key=value,key=value`, with integers where the value is one. Raises ServingError."""
    arguments: list[tuple[str, int | str]] = []
    for pair in filter(None, text.split(',')):
        key, equals, value = pair.partition('=')
        if not key or not equals:
            raise ServingError(f'--grpc_channel_arguments takes key=value,key=value. Received: {text!r}')
        # gRPC ignores an integer argument that is a string.
        number = value.removeprefix('-').isdecimal()
        arguments.append((key.strip(), int(value) if number else value))
    return arguments


def usage() -> str:
    """The text of --help."""
    lines = ['usage: vaiven-model-server --model_base_path=DIR [--name=value ...]', '']
    for option in dataclasses.fields(Options):
        default = str(option.default).lower() if option.type is bool else option.default
        lines.append(f'  --{option.name}={default}')
        lines.append(f'      {option.metadata["help"]}')
    return '\n'.join(lines)
