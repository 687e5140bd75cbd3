"""What cannot be served, found at load: graphs that call Python, and signatures whose values cannot travel."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vaiven.serving.common.status import invalid_argument
from vaiven.serving.wire.dtypes import kind_of_number

# They call a function of the Python process that made the graph.
PYTHON_OPERATIONS = frozenset(('PyFunc', 'PyFuncStateless', 'EagerPyFunc'))
# Not for requests: the loader runs it.
_INITIALISER = '__saved_model_init_op'
_COMPOSITES = {
    'coo_sparse': 'a sparse tensor',
    'composite_tensor': 'a composite tensor, such as a ragged one',
}


def unservable(signatures: Mapping[str, Any], graph: Any) -> dict[str, str]:
    """Why signatures cannot be asked, for those that cannot.

    Args:
        signatures: SignatureDefs by name.
        graph: the GraphDef behind them.

    Raises:
        StatusError: none of them can.
    """
    reasons = {}
    for name, signature in sorted(signatures.items()):
        if name != _INITIALISER and (reason := _reason(signature) or _python(signature, graph)):
            reasons[name] = reason
    if reasons and not signatures.keys() - reasons.keys() - {_INITIALISER}:
        name, reason = next(iter(reasons.items()))
        raise invalid_argument(f'none of the signatures can be served; {name}: {reason}')
    return reasons


def _reason(signature: Any) -> str:
    for side, infos in (('input', signature.inputs), ('output', signature.outputs)):
        for alias in sorted(infos):
            info = infos[alias]
            composite = _COMPOSITES.get(info.WhichOneof('encoding') or '')
            if composite:
                return (
                    f'{side} {alias} is {composite}, which no request can carry: export its parts as tensors, '
                    'such as values and row lengths'
                )
            try:
                kind_of_number(info.dtype)
            except ValueError as error:
                return f'{side} {alias}: {error}'
    return ''


def _python(signature: Any, graph: Any) -> str:
    outputs = [info.name for info in signature.outputs.values()]
    for node in _behind(graph, outputs):
        if node.op in PYTHON_OPERATIONS:
            return (
                f'it calls a Python function ({node.op}, of tf.py_function or tf.numpy_function), which is not in a '
                'SavedModel: export it with operations of TensorFlow alone'
            )
    return ''


def _behind(graph: Any, outputs: Iterable[str]) -> Iterator[Any]:
    """The nodes that `outputs` are computed from, those of called functions included."""
    nodes = {node.name: node for node in graph.node}
    functions = {function.signature.name: function for function in graph.library.function}
    waiting = [output.partition(':')[0] for output in outputs]
    seen: set[str] = set()
    called: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        node = nodes[name]
        yield node
        waiting += [source.removeprefix('^').partition(':')[0] for source in node.input]
        calls = [node]
        while calls:
            for function in _called(calls.pop()):
                if function in functions and function not in called:
                    called.add(function)
                    calls += functions[function].node_def
                    yield from functions[function].node_def


def _called(node: Any) -> Iterator[str]:
    yield node.op  # graphs of TensorFlow 1 call functions so
    for value in node.attr.values():
        kind = value.WhichOneof('value')
        if kind == 'func':
            yield value.func.name
        elif kind == 'list':
            yield from (function.name for function in value.list.func)
