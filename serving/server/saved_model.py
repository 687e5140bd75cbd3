"""One SavedModel in memory: its signatures, and a fast way to run them.

A TF1 session loads SavedModels of TF1 and TF2. Its callables cost 30 µs per call, the Python function of a signature
285 µs. Like the stock server, a session does not check feeds against static shapes; only the graph's operations do.
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
from vaiven.serving.server.session import SessionOptions
from vaiven.serving.wire import messages
from vaiven.serving.wire.dtypes import NAMES, kind_of_number

# One per combination of inputs, outputs and variant. A client that varies its output filter needs the most.
MAX_CALLABLES = 256
MAX_TIMEOUT_MS = 1 << 30  # twelve days: longer than any client waits
# Per combination of outputs. Timeouts are powers of two, so a model rarely sees more.
MAX_RUN_VARIANTS = 8


class RunVariants:
    """The variants in which the requests of a model run: with which timeout, and in which threads.

    TensorFlow compiles a graph for each variant at its first run, which takes as long as a hundred others. A new
    version is therefore prepared for the variants of the earlier ones before it takes traffic. It is thread-safe.
    """

    def __init__(self) -> None:
        self._variants: dict[tuple[str, ...], dict[tuple[int, bool], None]] = {}
        self._lock = threading.Lock()  # the versions of a model share it

    def add(self, fetches: tuple[str, ...], milliseconds: int, single_threaded: bool) -> None:
        """Notes a variant. The last `MAX_RUN_VARIANTS` are kept for each combination of outputs.

        Args:
            fetches: names of the output tensors.
            milliseconds: the timeout; 0 for none.
            single_threaded: whether the run stays in the caller's thread.
        """
        with self._lock:
            variants = self._variants.setdefault(fetches, {})
            variants[milliseconds, single_threaded] = None
            if len(variants) > MAX_RUN_VARIANTS:
                variants.pop(next(iter(variants)))

    def get(self, fetches: tuple[str, ...]) -> list[tuple[int, bool]]:
        """The variants for these outputs: timeout in milliseconds (0 for none), and whether single-threaded."""
        with self._lock:
            return list(self._variants.get(fetches, ()))


class SavedModel:
    """A loaded SavedModel. `run` is thread-safe.

    Attributes:
        signatures: SignatureDefs by name.
        endpoints: the same signatures, as requests need them.
    """

    def __init__(self, path: Path, options: SessionOptions, variants: RunVariants | None = None) -> None:
        """Loads the SavedModel in `path`.

        Args:
            path: folder of the version.
            options: how its session is made.
            variants: shared by the versions of a model; None for none so far.

        Raises:
            StatusError: it does not load (with TensorFlow's text), or no signature can be served.
        """
        tf = runtime.tensorflow()
        if not is_saved_model(path):
            raise StatusError(Code.NOT_FOUND, f'Could not find SavedModel .pb or .pbtxt at {path}')
        self._graph = tf.Graph()
        config = tf.compat.v1.ConfigProto.FromString(options.config)
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)
        try:
            # TensorFlow finds the variables by a glob pattern: `[` in the path must not be a part of it.
            with self._graph.as_default(), plain_path(path) as folder:
                meta_graph = tf.compat.v1.saved_model.loader.load(
                    self._session, list(options.tags), str(folder)
                )
        except Exception as error:
            self._session.close()
            raise _load_error(tf, error) from error
        self._graph.finalize()
        # The GraphDef may be as large as the model: what is needed of it is read now, and it is not kept.
        graph = meta_graph.graph_def
        self.signatures: Mapping[str, Any] = {
            # TensorFlow's message and this project's are different classes: only bytes go from one to the other.
            name: messages.SignatureDef.FromString(signature.SerializeToString())
            for name, signature in meta_graph.signature_def.items()
        }
        try:
            self.endpoints: Mapping[str, Endpoint] = endpoints(
                self.signatures, unservable(self.signatures, graph)
            )
        except StatusError:
            self._session.close()
            raise
        # XLA compiles for each shape, so an earlier run tells nothing about the cost of another shape.
        compiled = config.graph_options.optimizer_options.global_jit_level > 0
        self._fixed: frozenset[str] = (
            frozenset() if compiled else outputs_of_fixed_cost(graph, self.endpoints.values())
        )
        self._quantised: dict[str, np.dtype[Any]] = _quantised_outputs(self.signatures)
        self._callables: dict[tuple[tuple[str, ...], tuple[str, ...], int, bool], Any] = {}
        self._lock = threading.Lock()
        self._variants = variants or RunVariants()
        self._op_error: Any = tf.errors.OpError

    def fixed_cost(self, fetches: Sequence[str]) -> bool:
        """Whether the shapes of the inputs alone decide the cost of `fetches`."""
        return self._fixed.issuperset(fetches)

    def prepared(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> bool:
        """Whether a single-threaded run without timeout has been prepared."""
        return (tuple(feeds), tuple(fetches), 0, True) in self._callables

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        fetches: Sequence[str],
        timeout: float | None = None,
        *,
        single_threaded: bool = False,
    ) -> list[NDArray[Any]]:
        """Values of the tensors `fetches`.

        Args:
            feeds: values of input tensors, by their names.
            fetches: names of the output tensors.
            timeout: seconds after which the run is cancelled, rounded up to a power of two of milliseconds; None for
                none.
            single_threaded: keeps all operations in the caller's thread. For a small graph, TensorFlow's other threads
                cost several times the work.

        Raises:
            StatusError: with the code and text of TensorFlow.
        """
        # TensorFlow compiles the timeout into the callable. Powers of two keep the number of callables small.
        milliseconds = 0 if timeout is None else 1 << math.ceil(1000 * timeout).bit_length()
        try:
            call = self._callable(
                tuple(feeds), tuple(fetches), min(milliseconds, MAX_TIMEOUT_MS), single_threaded
            )
            values = [_array(value) for value in call(*feeds.values())]
        except self._op_error as error:
            raise StatusError(Code(error.error_code), _without_traceback(error.message)) from error
        except (ValueError, TypeError) as error:
            raise invalid_argument(_without_traceback(str(error))) from error
        if self._quantised:
            # TensorFlow returns arrays of quantised dtypes as plain integers.
            values = [
                value.view(self._quantised[name]) if name in self._quantised else value
                for name, value in zip(fetches, values, strict=True)
            ]
        return values

    def prepare(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> None:
        """Runs the model once in each variant in which requests to earlier versions computed `fetches`.

        Without earlier versions, this is the variant of a request without deadline. What ran before is not run again:
        a variant is compiled by its first run.
        """
        outputs = tuple(fetches)
        for milliseconds, single_threaded in dict.fromkeys([(0, False), *self._variants.get(outputs)]):
            if (tuple(feeds), outputs, milliseconds, single_threaded) in self._callables:
                continue
            # A timeout may be too short for the first run. It is compiled by then, which is all that counts here.
            with contextlib.suppress(self._op_error):
                self._callable(tuple(feeds), outputs, milliseconds, single_threaded)(*feeds.values())

    def end_warm_up(self) -> None:
        """Frees what only warm-up used: single-threaded runs of outputs whose cost is not fixed, some MB for each."""
        with self._lock:
            for key in [key for key in self._callables if key[3] and not self.fixed_cost(key[1])]:
                del self._callables[key]

    def close(self) -> None:
        """Frees the memory of the session. No `run` may be in progress."""
        from tensorflow.python.framework import ops

        self._callables.clear()
        self._session.close()
        del self._session
        # The parts of a graph refer to one another, so it would stay until the next full garbage collection.
        ops.dismantle_graph(self._graph)

    def _callable(
        self, feeds: tuple[str, ...], fetches: tuple[str, ...], milliseconds: int, single_threaded: bool
    ) -> Any:
        key = (feeds, fetches, milliseconds, single_threaded)
        session_callable = self._callables.get(key)
        if session_callable is not None:
            return session_callable
        from tensorflow.core.protobuf import config_pb2

        options = config_pb2.CallableOptions(
            feed=feeds,
            fetch=fetches,
            run_options=config_pb2.RunOptions(
                timeout_in_ms=milliseconds,
                # −1: the caller's thread (RunOptions in tensorflow/core/protobuf/config.proto).
                inter_op_thread_pool=-1 if single_threaded else 0,
            ),
        )
        with self._lock:
            self._variants.add(fetches, milliseconds, single_threaded)
            if len(self._callables) >= MAX_CALLABLES:
                self._callables.pop(next(iter(self._callables)))
            return self._callables.setdefault(key, self._session._make_callable_from_options(options))


def _quantised_outputs(signatures: Mapping[str, Any]) -> dict[str, np.dtype[Any]]:
    """The dtypes of the output tensors that are quantised, by their names."""
    return {
        info.name: kind_of_number(info.dtype).dtype
        for signature in signatures.values()
        for info in signature.outputs.values()
        if NAMES.get(info.dtype, '').startswith('DT_Q')
    }


def _array(value: Any) -> NDArray[Any]:
    # TensorFlow returns a scalar string as bytes. The string dtype of numpy would drop NUL bytes at its end.
    return np.asarray(value, object) if isinstance(value, bytes) else np.asarray(value)


def _without_traceback(text: str) -> str:
    """An error text of TensorFlow, without the Python traceback that it may contain."""
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
