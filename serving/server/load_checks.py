"""Checks at load time: graphs that call Python, and signatures whose tensors no message can carry."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vaiven.serving.common.status import invalid_argument
from vaiven.serving.wire.dtypes import kind_of_number

# They call a function of the Python process that made the graph. Such a model loads, and fails in its first request.
PYTHON_OPERATIONS = frozenset(('PyFunc', 'PyFuncStateless', 'EagerPyFunc'))
# Not for requests: TensorFlow's loader runs it.
_INITIALISER = '__saved_model_init_op'
_COMPOSITES = {
    'coo_sparse': 'a sparse tensor',
    'composite_tensor': 'a composite tensor, such as a ragged one',
}


def unservable(signatures: Mapping[str, Any], graph: Any) -> dict[str, str]:
    """The reasons of the signatures that cannot be served, by name.

    Args:
        signatures: SignatureDefs by name.
        graph: the GraphDef that computes them.

    Raises:
        StatusError: no signature can be served.
    """
    reasons = {}
    for name, signature in sorted(signatures.items()):
        if name != _INITIALISER and (reason := _tensor_reason(signature) or _python_reason(signature, graph)):
            reasons[name] = reason
    if reasons and not signatures.keys() - reasons.keys() - {_INITIALISER}:
        name, reason = next(iter(reasons.items()))
        raise invalid_argument(f'none of the signatures can be served; {name}: {reason}')
    return reasons


def _tensor_reason(signature: Any) -> str:
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


def _python_reason(signature: Any, graph: Any) -> str:
    outputs = [info.name for info in signature.outputs.values()]
    for node in _ancestors(graph, outputs):
        if node.op in PYTHON_OPERATIONS:
            return (
                f'it calls a Python function ({node.op}, of tf.py_function or tf.numpy_function), which a SavedModel '
                'does not contain: export it with TensorFlow operations only'
            )
    return ''


def _ancestors(graph: Any, outputs: Iterable[str]) -> Iterator[Any]:
    """The nodes that `outputs` depend on, including those of called functions."""
    nodes = {node.name: node for node in graph.node}
    functions = {function.signature.name: function for function in graph.library.function}
    stack = [output.partition(':')[0] for output in outputs]  # not by recursion: graphs are deep
    visited: set[str] = set()
    visited_functions: set[str] = set()
    while stack:
        name = stack.pop()
        if name in visited or name not in nodes:
            continue
        visited.add(name)
        node = nodes[name]
        yield node
        stack += [
            source.removeprefix('^').partition(':')[0] for source in node.input
        ]  # `^` marks a control input
        calls = [node]
        while calls:
            for function in _called(calls.pop()):
                if function in functions and function not in visited_functions:
                    visited_functions.add(function)
                    calls += functions[function].node_def
                    yield from functions[function].node_def


def _called(node: Any) -> Iterator[str]:
    """The names of the functions that a node may call."""
    yield node.op  # in graphs of TensorFlow 1, the operation is the name of the function
    for value in node.attr.values():
        kind = value.WhichOneof('value')
        if kind == 'func':
            yield value.func.name
        elif kind == 'list':
            yield from (function.name for function in value.list.func)
