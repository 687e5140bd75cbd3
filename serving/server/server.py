"""The server: loads the models, opens the ports when they are available, and shuts down gracefully."""

import asyncio
import importlib.metadata
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from vaiven.serving.common import log, ports, tls
from vaiven.serving.common.call_threads import CallThreads
from vaiven.serving.common.errors import ServerStartError
from vaiven.serving.common.http_port import HttpPort
from vaiven.serving.common.status import StatusError
from vaiven.serving.server import availability, flags, garbage_collection, model_config, monitoring, runtime
from vaiven.serving.server.api import Api
from vaiven.serving.server.auth import Access, TokenInterceptor, Tokens
from vaiven.serving.server.batch_threads import BatchThreads
from vaiven.serving.server.configuration import Configuration
from vaiven.serving.server.flags import Options
from vaiven.serving.server.grpc_service import OTHER_THREADS, add_services
from vaiven.serving.server.loader import Loader
from vaiven.serving.server.log_folders import LogFolders
from vaiven.serving.server.manager import Manager
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.profiler import Profiler
from vaiven.serving.server.rest import Rest, RestOptions
from vaiven.serving.server.served_model import ServingOptions


class Server:
    """One server process.

    Attributes:
        options: the server's flags.
    """

    def __init__(self, options: Options) -> None:
        """Reads the files that the flags name; loads no model yet. Raises ServingError if one of them is invalid."""
        self.options = options
        self._stop = asyncio.Event()
        self._stop_waiting = threading.Event()
        cpus = os.cpu_count() or 1
        self._workers = ThreadPoolExecutor(options.grpc_max_threads or 4 * cpus, 'request')
        self._rest_workers = ThreadPoolExecutor(options.rest_api_num_threads or 4 * cpus, 'rest')
        self._channel_arguments = flags.channel_arguments(options.grpc_channel_arguments)
        self._tls = tls.read(Path(options.ssl_config_file)) if options.ssl_config_file else None
        self._tokens = Tokens(Path(options.auth_tokens_file)) if options.auth_tokens_file else None
        self._admin_tokens = Tokens(Path(options.admin_tokens_file)) if options.admin_tokens_file else None
        self._log_folders = LogFolders(options.request_log_root)
        self._metrics_path = ''
        if options.monitoring_config_file:
            self._metrics_path = monitoring.metrics_path(Path(options.monitoring_config_file))
        self._metrics: Metrics | None = None
        self._batch_threads: BatchThreads | None = None
        self._loader: Loader | None = None
        self._manager: Manager | None = None
        self._api: Api | None = None
        self._grpc: grpc.Server | None = None
        self._rest: Rest | None = None
        self._rest_port: HttpPort | None = None

    def _states(self) -> Iterator[tuple[str, int, str]]:
        manager = self._manager
        if manager is None:
            return
        for name in manager.names():
            for version in manager.versions(name):
                yield name, version.number, version.state.name

    def _on_removed(self, model: str) -> None:
        if self._metrics is not None:
            self._metrics.remove_model(model)
        if self._loader is not None:
            self._loader.remove_model(model)

    def stop(self) -> None:
        """Makes `run` shut down and return. It is called in the event loop, and may be called again."""
        self._stop_waiting.set()
        self._stop.set()

    async def run(self) -> None:
        """Serves until `stop` is called or SIGTERM or SIGINT arrives.

        Raises:
            ServingError: the configuration is invalid, a port is in use, or no version of a model loads.
        """
        start = time.monotonic()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        if self.options.exit_with_stdin:
            _call_at_end_of_input(loop, self.stop)
        for name, reason in flags.without_effect(self.options):
            log.event('flag without effect', flag=f'--{name}', reason=reason)
        models = model_config.from_flags(self.options)
        ports.check(self.options.host, {self.options.port, self.options.rest_api_port})
        ports.check_socket(self.options.grpc_socket_path)
        try:
            # Ports open only after every model is AVAILABLE, as upstream: an open port is a ready server.
            if await self._load(models):
                await self._open()
                log.event(
                    'serving',
                    grpc=ports.address(self.options.host, self.options.port),
                    rest=ports.address(self.options.host, self.options.rest_api_port)
                    if self._rest_port
                    else 'off',
                    seconds=time.monotonic() - start,
                )
                polling = asyncio.create_task(self._poll_configuration())
                await self._stop.wait()
                polling.cancel()
        finally:
            await self._close()
        log.event('stopped')

    async def _load(self, models: list[model_config.ModelConfig]) -> bool:
        """Loads the models. Returns False if `stop` came first. Raises ServerStartError if a model does not load."""
        options = self.options
        start = time.monotonic()
        library = await asyncio.to_thread(runtime.tensorflow)
        log.event('TensorFlow imported', seconds=time.monotonic() - start)
        if self._metrics_path:
            version = importlib.metadata.version('vaiven')
            self._metrics = Metrics(version, library.__version__, states=self._states)
        self._loader = loader = Loader(options, self._workers, self._metrics)
        self._batch_threads = loader.batch_threads
        self._manager = manager = Manager(
            loader.load,
            ServingOptions(
                poll_seconds=options.file_system_poll_wait_seconds,
                load_retries=options.max_num_load_retries,
                retry_seconds=options.load_retry_interval_micros / 1e6,
                load_threads=options.num_load_threads or 1,
                allow_unavailable_labels=options.allow_version_labels_for_unavailable_models,
                wait_for_labels=options.wait_for_labels,
                follow_stable=options.plain_requests_follow_stable,
            ),
            on_removed=self._on_removed,
        )
        configuration = Configuration(
            manager,
            metrics=self._metrics,
            tags=loader.tags,
            log_folders=self._log_folders,
            reload_file=Path(options.reloaded_config_file) if options.reloaded_config_file else None,
        )
        self._api = Api(
            manager,
            as_tensor_content=options.enable_serialization_as_tensor_content,
            check_method_names=options.enable_signature_method_name_check,
            max_concurrent_requests=options.max_concurrent_requests,
            max_batch_rows=options.max_batch_rows,
            max_repeated_bytes=options.max_request_bytes,
            metrics=self._metrics,
            configuration=configuration,
        )
        try:
            pending = await asyncio.to_thread(configuration.apply, models, from_file=True)
            await asyncio.to_thread(availability.wait, manager, pending, self._stop_waiting)
        except StatusError as error:
            raise ServerStartError(error.message) from error
        garbage_collection.freeze_startup_objects()
        return not self._stop.is_set()

    async def _open(self) -> None:
        """Opens the ports. Raises ServerStartError if another process took one since the first check."""
        options = self.options
        assert self._api is not None
        needs_token = self._tokens is not None or self._admin_tokens is not None
        interceptors = [TokenInterceptor(self._tokens, self._admin_tokens)] if needs_token else []
        threads: Any = CallThreads(options.max_concurrent_requests + OTHER_THREADS)
        self._grpc = grpc.server(
            threads,
            interceptors=interceptors,
            # A dict: gRPC uses the first of two values of one name, and the flag must override the others.
            options=list(
                {
                    'grpc.max_receive_message_length': options.max_request_bytes,
                    'grpc.max_send_message_length': -1,  # no limit
                    # Otherwise the kernel would balance requests between two servers on one port.
                    'grpc.so_reuseport': 0,
                    **dict(self._channel_arguments),
                }.items()
            ),
        )
        # With admin tokens, the interceptor has checked every caller of the profiler.
        profiler = Profiler(local_only=self._admin_tokens is None) if options.enable_profiler else None
        add_services(self._grpc, self._api, asyncio.get_running_loop(), profiler)
        try:
            for address in _grpc_addresses(options):
                if self._tls is not None:
                    self._grpc.add_secure_port(address, self._tls.grpc_credentials())
                else:
                    self._grpc.add_insecure_port(address)
            if options.rest_api_port == options.port != 0:
                # Upstream, too, starts without REST then.
                log.problem('no REST', error='--rest_api_port must differ from --port', port=options.port)
            elif options.rest_api_port:
                await self._open_rest(self._api)
        except (OSError, RuntimeError) as error:
            ports.check(options.host, {options.port, options.rest_api_port})
            raise ServerStartError(f'the ports cannot be opened: {error}') from error
        self._grpc.start()

    async def _open_rest(self, api: Api) -> None:
        options = self.options
        rest_options = RestOptions(
            options.rest_api_timeout_in_ms / 1000,
            options.max_request_bytes,
            options.rest_api_enable_cors_support,
            self._metrics_path,
        )
        access = Access(self._tokens, self._admin_tokens) if self._tokens is not None else None
        self._rest = Rest(api, self._rest_workers, rest_options, metrics=self._metrics, tokens=access)
        port = HttpPort(
            self._rest.handle,
            silent_seconds=rest_options.timeout_seconds,
            drain_seconds=options.drain_seconds,
        )
        context = self._tls.ssl_context() if self._tls is not None and options.rest_api_tls else None
        await port.open(options.host, options.rest_api_port, context)
        self._rest_port = port

    async def _poll_configuration(self) -> None:
        """Reads the model configuration file periodically. An invalid one is logged and changes nothing."""
        seconds = self.options.model_config_file_poll_wait_seconds
        if seconds <= 0 or not self.options.model_config_file:
            return
        assert self._api is not None
        path = Path(self.options.model_config_file)
        last: list[model_config.ModelConfig] | str = model_config.read(path)
        while True:
            await asyncio.sleep(seconds)
            try:
                models = await asyncio.to_thread(model_config.read, path)
                if models != last:
                    await asyncio.to_thread(self._api.configuration.apply, models, from_file=True)
                    log.event('configuration', file=path, models=len(models))
                last = models
            except StatusError as error:
                if error.message != last:  # logged once, not at every poll
                    log.problem('configuration', file=path, error=error)
                last = error.message

    async def _close(self) -> None:
        """Rejects new requests, waits for the running ones, then frees the models."""
        start = time.monotonic()
        closing = []
        if self._api is not None:
            self._api.draining = True
        if self._manager is not None:
            self._manager.stop_loading()
        if self._grpc is not None:
            closing.append(asyncio.to_thread(self._grpc.stop(self.options.drain_seconds).wait))
        if self._rest_port is not None:
            closing.append(self._rest_port.close())
        await asyncio.gather(*closing)
        if closing:
            log.event('drained', seconds=time.monotonic() - start)
        if self._rest is not None:
            self._rest.close()
        if self._api is not None:
            await asyncio.to_thread(self._api.close)
        if self._manager is not None:
            await asyncio.to_thread(self._manager.stop)
        if self._batch_threads is not None:
            self._batch_threads.close()
        for workers in (self._workers, self._rest_workers):
            workers.shutdown(wait=False, cancel_futures=True)


def _grpc_addresses(options: Options) -> list[str]:
    addresses = [ports.address(options.host, options.port)] if options.port else []
    return [*addresses, f'unix:{options.grpc_socket_path}'] if options.grpc_socket_path else addresses


def _call_at_end_of_input(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Calls `stop` when standard input ends. It ends when the process that holds its other end dies."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, name='stdin', daemon=True).start()
