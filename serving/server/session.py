"""Options of TensorFlow sessions: from the flags, --tensorflow_session_config_file or --platform_config_file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

from vaiven.serving.common import textproto
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.status import StatusError
from vaiven.serving.server import batching_parameters, runtime
from vaiven.serving.server.batching_parameters import BatchingParameters
from vaiven.serving.server.flags import Options
from vaiven.serving.wire import messages

PLATFORM = 'tensorflow'
_BUNDLE = 'tensorflow.serving.SessionBundleConfig'


@dataclass(frozen=True)
class SessionOptions:
    """How every version is loaded.

    Attributes:
        config: TensorFlow's ConfigProto, serialized.
        tags: of the meta graph to load.
        tflite: whether to serve `model.tflite` where a version has one.
        interpreters: TFLite interpreters per version.
    """

    config: bytes = b''
    tags: tuple[str, ...] = ('serve',)
    tflite: bool = False
    interpreters: int = 1


def session_options(options: Options) -> tuple[SessionOptions, BatchingParameters | None]:
    """How versions are loaded, and how their requests are batched (None for no batching). Imports TensorFlow.

    As upstream, a platform configuration replaces the flags of sessions and of batching.

    Args:
        options: the server's flags.

    Raises:
        ServingError: a file cannot be read or is invalid.
    """
    if options.platform_config_file:
        return _from_platform_config(Path(options.platform_config_file))
    config = _session_config(options)
    loading = SessionOptions(
        config=config.SerializeToString(),
        tags=tuple(options.saved_model_tags.split(',')),
        tflite=options.prefer_tflite_model,
        interpreters=max(1, options.num_tflite_interpreters_per_pool) * max(1, options.num_tflite_pools),
    )
    if not options.enable_batching:
        return loading, batching_parameters.AUTOMATIC if options.automatic_batching else None
    if not options.batching_parameters_file:
        return loading, BatchingParameters()
    try:
        return loading, batching_parameters.read(Path(options.batching_parameters_file))
    except StatusError as error:
        raise ServingError(error.message) from error


def _session_config(options: Options) -> Any:
    runtime.tensorflow()
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2

    config = config_pb2.ConfigProto()
    if options.tensorflow_session_config_file:
        # Upstream takes the file as it is: the other flags below are then ignored.
        path = Path(options.tensorflow_session_config_file)
        try:
            return textproto.read(path, config)
        except textproto.TextProtoError as error:
            raise ServingError(str(error)) from error
    both = options.tensorflow_session_parallelism
    config.intra_op_parallelism_threads = both or options.tensorflow_intra_op_parallelism
    config.inter_op_parallelism_threads = both or options.tensorflow_inter_op_parallelism
    config.gpu_options.per_process_gpu_memory_fraction = options.per_process_gpu_memory_fraction
    # An operation without GPU kernel then runs on the CPU, instead of failing the load.
    config.allow_soft_placement = True
    config.graph_options.rewrite_options.disable_meta_optimizer = not options.optimize_graphs
    if options.xla_cpu_compilation_enabled or options.xla_gpu_compilation_enabled:
        config.graph_options.optimizer_options.global_jit_level = config_pb2.OptimizerOptions.ON_1
    if options.mixed_precision:
        rewrites = config.graph_options.rewrite_options
        rewrites.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
    return config


def _from_platform_config(path: Path) -> tuple[SessionOptions, BatchingParameters | None]:
    runtime.tensorflow()
    pool = _platform_pool()
    platforms: Any = message_factory.GetMessageClass(
        pool.FindMessageTypeByName('tensorflow.serving.PlatformConfigMap')
    )()
    adapter: Any = message_factory.GetMessageClass(
        pool.FindMessageTypeByName('tensorflow.serving.SavedModelBundleSourceAdapterConfig')
    )()
    try:
        textproto.read(path, platforms, pool)
    except textproto.TextProtoError as error:
        raise ServingError(str(error)) from error
    if PLATFORM not in platforms.platform_configs:
        raise ServingError(f'the platform config {path} has no platform "{PLATFORM}": add that key')
    # The Any of upstream's documentation: the adapter's configuration around a SessionBundleConfig.
    if not platforms.platform_configs[PLATFORM].source_adapter_config.Unpack(adapter):
        kind = platforms.platform_configs[PLATFORM].source_adapter_config.type_url
        raise ServingError(
            f'the platform config {path} must have a SavedModelBundleSourceAdapterConfig. Received: {kind!r}'
        )
    bundle = adapter.legacy_config
    batching = None
    if bundle.HasField('batching_parameters'):
        try:
            batching = batching_parameters.from_proto(bundle.batching_parameters)
        except StatusError as error:
            raise ServingError(f'{path}: {error.message}') from error
    loading = SessionOptions(
        config=bundle.session_config.SerializeToString(),
        tags=tuple(bundle.saved_model_tags) or ('serve',),
        tflite=bundle.prefer_tflite_model,
        interpreters=max(1, bundle.num_tflite_interpreters_per_pool) * max(1, bundle.num_tflite_pools),
    )
    return loading, batching


def _platform_pool() -> DescriptorPool:
    """The messages of a platform configuration, which contain TensorFlow's ConfigProto.

    They are built here and not in `serving/wire`, which works without TensorFlow.
    """
    from tensorflow.core.protobuf import config_pb2

    pool = DescriptorPool()
    added: set[str] = set()

    def add(file: Any) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for dependency in file.dependencies:
            add(dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        pool.Add(copy)

    add(config_pb2.DESCRIPTOR)
    add(messages.BatchingParameters.DESCRIPTOR.file)
    any_file = descriptor_pb2.FileDescriptorProto()
    messages.pool.FindFileByName('google/protobuf/any.proto').CopyToProto(any_file)
    if any_file.name not in added:
        pool.Add(any_file)
    file = descriptor_pb2.FileDescriptorProto(
        name='platform_config.proto',
        package='tensorflow.serving',
        syntax='proto3',
        dependency=[
            any_file.name,
            config_pb2.DESCRIPTOR.name,
            messages.BatchingParameters.DESCRIPTOR.file.name,
        ],
    )
    field = descriptor_pb2.FieldDescriptorProto
    bundle = file.message_type.add(name='SessionBundleConfig')
    # Names and numbers of upstream's session_bundle_config.proto; a text proto needs the names only.
    for name, number, kind, type_name in (
        ('session_target', 1, field.TYPE_STRING, ''),
        ('session_config', 2, field.TYPE_MESSAGE, '.tensorflow.ConfigProto'),
        ('batching_parameters', 3, field.TYPE_MESSAGE, '.tensorflow.serving.BatchingParameters'),
        ('experimental_transient_ram_bytes_during_load', 5, field.TYPE_UINT64, ''),
        ('saved_model_tags', 6, field.TYPE_STRING, ''),
        ('enable_model_warmup', 779, field.TYPE_BOOL, ''),
        ('remove_unused_fields_from_bundle_metagraph', 782, field.TYPE_BOOL, ''),
        ('prefer_tflite_model', 783, field.TYPE_BOOL, ''),
        ('num_tflite_interpreters_per_pool', 785, field.TYPE_INT32, ''),
        ('num_tflite_pools', 786, field.TYPE_INT32, ''),
    ):
        label = field.LABEL_REPEATED if name == 'saved_model_tags' else field.LABEL_OPTIONAL
        bundle.field.add(name=name, number=number, type=kind, type_name=type_name or None, label=label)
    adapter = file.message_type.add(name='SavedModelBundleSourceAdapterConfig')
    adapter.field.add(
        name='legacy_config',
        number=1000,
        type=field.TYPE_MESSAGE,
        type_name=f'.{_BUNDLE}',
        label=field.LABEL_OPTIONAL,
    )
    platform = file.message_type.add(name='PlatformConfig')
    platform.field.add(
        name='source_adapter_config',
        number=1,
        type=field.TYPE_MESSAGE,
        type_name='.google.protobuf.Any',
        label=field.LABEL_OPTIONAL,
    )
    platforms = file.message_type.add(name='PlatformConfigMap')
    entry = platforms.nested_type.add(name='PlatformConfigsEntry')
    entry.options.map_entry = True  # a map field is a repeated message with this option
    entry.field.add(name='key', number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(
        name='value',
        number=2,
        type=field.TYPE_MESSAGE,
        type_name='.tensorflow.serving.PlatformConfig',
        label=field.LABEL_OPTIONAL,
    )
    platforms.field.add(
        name='platform_configs',
        number=1,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name='.tensorflow.serving.PlatformConfigMap.PlatformConfigsEntry',
    )
    pool.Add(file)
    return pool
