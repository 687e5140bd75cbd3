"""One SavedModel in memory: its signatures, and a fast way to run them.

A TF1-style session loads TF1 and TF2 SavedModels alike. Its callables cost 30 µs a call where the Python
function of a signature costs 285 µs, and check feeds only when the graph does, as the stock server.
"""

import contextlib
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.common.plain_path import plain_path
from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.common.version_folders import is_saved_model
from vaiven.serving.server import runtime
from vaiven.serving.server.endpoints import Endpoint, endpoints
from vaiven.serving.server.graph_costs import outputs_of_fixed_cost
from vaiven.serving.server.load_checks import unservable
from vaiven.serving.server.session import SessionSettings
from vaiven.serving.wire import messages
from vaiven.serving.wire.dtypes import NAMES, kind_of_number

# One for every combination of inputs and outputs asked for; more only by odd output filters.
MAX_CALLABLES = 256
MAX_TIMEOUT = 1 << 30  # milliseconds, twelve days
# Of running the same outputs.
MAX_WAYS = 8


class RunVariants:
    """How the requests of a model are run: with which limits of time, and where.

    TensorFlow prepares a graph for each way apart, at the first run, which takes as long as a hundred others; so what
    one version was asked the next one is prepared for before it takes traffic. May be used from any thread.
    """

    def __init__(self) -> None:
        self._ways: dict[tuple[str, ...], dict[tuple[int, bool], None]] = {}
        self._lock = threading.Lock()  # versions share it

    def add(self, fetches: tuple[str, ...], milliseconds: int, alone: bool) -> None:
        """Notes one; of each outputs the last `MAX_WAYS` are kept."""
        with self._lock:
            ways = self._ways.setdefault(fetches, {})
            ways[milliseconds, alone] = None
            if len(ways) > MAX_WAYS:
                ways.pop(next(iter(ways)))

    def of(self, fetches: tuple[str, ...]) -> list[tuple[int, bool]]:
        """Milliseconds (0 for no limit) and whether in the caller's thread alone."""
        with self._lock:
            return list(self._ways.get(fetches, ()))


class SavedModel:
    """A loaded SavedModel. `run` may be called from many threads."""

    def __init__(self, path: Path, settings: SessionSettings, ways: RunVariants | None = None) -> None:
        """Loads what `path` holds.

        Args:
            path: folder of the version.
            settings: of the session.
            ways: shared by the versions of a model.

        Raises:
            StatusError: with TensorFlow's own text if it does not load.
        """
        tf = runtime.tensorflow()
        if not is_saved_model(path):
            raise StatusError(Code.NOT_FOUND, f'Could not find SavedModel .pb or .pbtxt at {path}')
        self._graph = tf.Graph()
        config = tf.compat.v1.ConfigProto.FromString(settings.config)
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)
        try:
            # TensorFlow looks for the variables by a pattern.
            with self._graph.as_default(), plain_path(path) as folder:
                meta_graph = tf.compat.v1.saved_model.loader.load(
                    self._session, list(settings.tags), str(folder)
                )
        except Exception as error:
            self._session.close()
            raise _load_error(tf, error) from error
        self._graph.finalize()
        try:
            self._read(meta_graph, config)
        except StatusError:
            self._session.close()
            raise
        self._callables: dict[tuple[tuple[str, ...], tuple[str, ...], int, bool], Any] = {}
        self._lock = threading.Lock()
        self._ways = ways or RunVariants()
        self._op_error = tf.errors.OpError

    def _read(self, meta_graph: Any, config: Any) -> None:
        """What has to be known of the graph, which is not kept. Raises StatusError where it cannot be served."""
        self.signatures: Mapping[str, Any] = {
            name: messages.SignatureDef.FromString(signature.SerializeToString())
            for name, signature in meta_graph.signature_def.items()
        }
        graph = meta_graph.graph_def
        self.endpoints: Mapping[str, Endpoint] = endpoints(
            self.signatures, unservable(self.signatures, graph)
        )
        compiled = config.graph_options.optimizer_options.global_jit_level > 0  # each shape by itself
        self._fixed: frozenset[str] = (
            frozenset() if compiled else outputs_of_fixed_cost(graph, self.endpoints.values())
        )
        # TensorFlow gives arrays of quantised dtypes back as plain integers.
        self._quantised = {
            info.name: kind_of_number(info.dtype).dtype
            for signature in self.signatures.values()
            for info in signature.outputs.values()
            if NAMES.get(info.dtype, '').startswith('DT_Q')
        }

    def fixed_cost(self, fetches: Sequence[str]) -> bool:
        """Whether what it costs to compute `fetches` depends on nothing but the shapes of the inputs."""
        return self._fixed.issuperset(fetches)

    def prepared(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> bool:
        """Whether a run alone in the caller's thread has been made ready."""
        return (tuple(feeds), tuple(fetches), 0, True) in self._callables

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        fetches: Sequence[str],
        timeout: float | None = None,
        *,
        alone: bool = False,
    ) -> list[NDArray[Any]]:
        """Values of the tensors `fetches`, with the tensors named in `feeds` set.

        A run is broken off after `timeout` seconds, rounded up to a power of two of milliseconds: TensorFlow wants
        to know it before the call is made ready. `alone` keeps all operations in the caller's thread: for a small
        graph the other threads cost several times the work.

        Raises:
            StatusError: with the code and text that TensorFlow gave.
        """
        milliseconds = 0 if timeout is None else 1 << math.ceil(1000 * timeout).bit_length()
        try:
            call = self._callable(tuple(feeds), tuple(fetches), min(milliseconds, MAX_TIMEOUT), alone)
            values = [_array(value) for value in call(*feeds.values())]
        except self._op_error as error:
            raise StatusError(Code(error.error_code), _without_traceback(error.message)) from error
        except (ValueError, TypeError) as error:
            raise invalid_argument(_without_traceback(str(error))) from error
        if self._quantised:
            values = [
                value.view(self._quantised[name]) if name in self._quantised else value
                for name, value in zip(fetches, values, strict=True)
            ]
        return values

    def prepare(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> None:
        """Runs it in each way in which earlier versions were asked for `fetches`; where a limit is too short for a
        first run, the run is broken off, and that is all."""
        for milliseconds, alone in self._ways.of(tuple(fetches)):
            with contextlib.suppress(self._op_error):
                self._callable(tuple(feeds), tuple(fetches), milliseconds, alone)(*feeds.values())

    def close(self) -> None:
        """Frees the session's memory. No `run` may be under way."""
        from tensorflow.python.framework import ops

        self._callables.clear()
        self._session.close()
        del self._session
        ops.dismantle_graph(
            self._graph
        )  # its parts refer to one another: the garbage collector may come late

    def _callable(
        self, feeds: tuple[str, ...], fetches: tuple[str, ...], milliseconds: int, alone: bool
    ) -> Any:
        key = (feeds, fetches, milliseconds, alone)
        found = self._callables.get(key)
        if found is not None:
            return found
        from tensorflow.core.protobuf import config_pb2

        options = config_pb2.CallableOptions(
            feed=feeds,
            fetch=fetches,
            run_options=config_pb2.RunOptions(
                timeout_in_ms=milliseconds, inter_op_thread_pool=-1 if alone else 0
            ),
        )
        with self._lock:
            self._ways.add(fetches, milliseconds, alone)
            if len(self._callables) >= MAX_CALLABLES:
                self._callables.pop(next(iter(self._callables)))
            return self._callables.setdefault(key, self._session._make_callable_from_options(options))


def _array(value: Any) -> NDArray[Any]:
    # A scalar string comes as bytes, and numpy's own string dtype would drop NUL bytes at its end.
    return np.asarray(value, object) if isinstance(value, bytes) else np.asarray(value)


def _without_traceback(text: str) -> str:
    """An error of TensorFlow without the lines of Python that it may quote, which say nothing to a caller."""
    return (
        text.partition('Traceback (most recent call last)')[0]
        .partition('\n\nOriginal stack trace')[0]
        .rstrip()
    )


def _load_error(tf: Any, error: Exception) -> StatusError:
    if isinstance(error, tf.errors.OpError):
        return StatusError(Code(error.error_code), _without_traceback(error.message))
    if isinstance(error, OSError):
        return StatusError(Code.NOT_FOUND, str(error))
    return StatusError(Code.INTERNAL, f'{type(error).__name__}: {_without_traceback(str(error))}')
