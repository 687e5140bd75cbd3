"""The flags of `tensorflow_model_server`, by its names and defaults, and a few of our own.

Only `--name=value`, and for booleans `--name`, `--name=true`, `--name=false`. A flag of the stock server
that is not built here is refused unless it has its default; one that nobody knows is reported and ignored.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vaiven.serving.errors import ServingError


def _flag(default: Any, text: str) -> Any:
    return field(default=default, metadata={'help': text})


@dataclass(frozen=True)
class Options:
    """What the server was asked to do. Times are in the unit that the name says."""

    port: int = _flag(8500, 'port of the gRPC API')
    rest_api_port: int = _flag(0, 'port of the REST API; 0: none')
    host: str = _flag('127.0.0.1', 'address to listen on; 0.0.0.0 for all (ours)')
    model_name: str = _flag('default', 'name of the model; not used with --model_config_file')
    model_base_path: str = _flag('', 'folder with the numbered versions of the model')
    model_config_file: str = _flag('', 'text file with a ModelServerConfig: the models to serve')
    model_config_file_poll_wait_seconds: int = _flag(0, 'read that file again so often; 0: once')
    file_system_poll_wait_seconds: int = _flag(1, 'look for new versions so often; 0: once')
    enable_model_warmup: bool = _flag(True, 'run the records in assets.extra before traffic')
    num_request_iterations_for_warmup: int = _flag(0, 'run each record so often; 0: once')
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, 'a new label may name a version that is not loaded'
    )
    max_num_load_retries: int = _flag(5, 'tries after a load that failed')
    load_retry_interval_micros: int = _flag(60_000_000, 'time between them')
    num_load_threads: int = _flag(0, 'threads that load versions; 0: one')
    saved_model_tags: str = _flag('serve', 'which meta graph to load, comma-separated')
    rest_api_timeout_in_ms: int = _flag(30_000, 'time a REST request may take')
    rest_api_enable_cors_support: bool = _flag(False, 'send CORS headers')
    grpc_max_threads: int = _flag(0, 'requests that run at the same time; 0: four per CPU')
    tensorflow_session_parallelism: int = _flag(0, 'threads of TensorFlow, intra and inter; 0: it decides')
    tensorflow_intra_op_parallelism: int = _flag(0, 'threads inside an operation')
    tensorflow_inter_op_parallelism: int = _flag(0, 'operations at the same time')
    enable_serialization_as_tensor_content: bool = _flag(False, 'answer with tensor_content')
    version: bool = _flag(False, 'print the versions and end')
    max_request_bytes: int = _flag(64 << 20, 'largest request on either port (ours)')
    drain_seconds: int = _flag(30, 'time that running requests get at the end (ours)')
    exit_with_stdin: bool = _flag(False, 'end when standard input ends (ours)')


# Of the stock server, with the defaults that change nothing.
NOT_BUILT = {
    'grpc_socket_path': '',
    'enable_batching': 'false',
    'batching_parameters_file': '',
    'enable_per_model_batching_parameters': 'false',
    'tensorflow_session_config_file': '',
    'use_alts_credentials': 'false',
    'ssl_config_file': '',
    'platform_config_file': '',
    'per_process_gpu_memory_fraction': '0',
    'grpc_channel_arguments': '',
    'monitoring_config_file': '',
    'prefer_tflite_model': 'false',
    'enable_signature_method_name_check': 'false',
    'xla_cpu_compilation_enabled': 'false',
    'xla_gpu_compilation_enabled': 'false',
    'thread_pool_factory_config_file': '',
    'mixed_precision': '',
}

# Of the stock server; whatever they say, nothing that a client sees would differ here.
WITHOUT_EFFECT = {
    'rest_api_num_threads',
    'num_unload_threads',
    'flush_filesystem_caches',
    'remove_unused_fields_from_bundle_metagraph',
    'num_tflite_pools',
    'num_tflite_interpreters_per_pool',
    'enable_profiler',
    'skip_initialize_tpu',
    'enable_grpc_healthcheck_service',
}


def parse(arguments: Sequence[str]) -> tuple[Options, list[str]]:
    """The options in `arguments`, and those arguments that are no flags.

    Raises:
        ServingError: a value that is not of the flag's type, or a flag that is not built here.
    """
    kinds = {option.name: option.type for option in dataclasses.fields(Options)}
    values: dict[str, Any] = {}
    unknown = []
    for argument in arguments:
        name, equals, text = argument.removeprefix('--').partition('=')
        if not argument.startswith('--'):
            unknown.append(argument)
        elif name in kinds:
            values[name] = _value(name, kinds[name], text if equals else None)
        elif name in NOT_BUILT:
            if (text if equals else 'true') != NOT_BUILT[name]:
                raise ServingError(f'--{name} is not supported by this server yet: leave it out')
        elif name not in WITHOUT_EFFECT:
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
        return int(text)
    except ValueError:
        raise ServingError(f'--{name} takes an integer. Received: {text!r}') from None


def check(options: Options) -> Options:
    """`options` if they make sense together. Raises ServingError where they do not."""
    for name in ('port', 'rest_api_port'):
        if not 0 <= getattr(options, name) < 1 << 16:
            raise ServingError(f'--{name} takes a port, 0 to 65535. Received: {getattr(options, name)}')
    if options.version:
        return options
    if not options.port:
        raise ServingError('--port must be set: a port from 1 to 65535')
    if options.rest_api_port == options.port:
        raise ServingError(f'--rest_api_port must differ from --port. Received: {options.port} for both')
    if not options.model_base_path and not options.model_config_file:
        raise ServingError('give --model_base_path=DIR or --model_config_file=FILE')
    if options.tensorflow_session_parallelism and (
        options.tensorflow_intra_op_parallelism or options.tensorflow_inter_op_parallelism
    ):
        raise ServingError(
            '--tensorflow_session_parallelism sets both others: give it alone, or the two without it'
        )
    for name in ('max_request_bytes', 'rest_api_timeout_in_ms'):
        if getattr(options, name) <= 0:
            raise ServingError(f'--{name} must be above 0. Received: {getattr(options, name)}')
    for name in ('drain_seconds', 'max_num_load_retries', 'load_retry_interval_micros', 'grpc_max_threads'):
        if getattr(options, name) < 0:
            raise ServingError(f'--{name} must not be below 0. Received: {getattr(options, name)}')
    return options


def usage() -> str:
    """What --help prints."""
    lines = ['usage: python -m vaiven.serving.server --model_base_path=DIR [--name=value ...]', '']
    for option in dataclasses.fields(Options):
        default = str(option.default).lower() if option.type is bool else option.default
        lines.append(f'  --{option.name}={default}')
        lines.append(f'      {option.metadata["help"]}')
    return '\n'.join(lines)
