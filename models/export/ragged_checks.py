"""Removes the internal assertions of ragged tensors from a SavedModel.

TensorFlow's string operations create ragged tensors with validation, and each assertion is an `If` with two functions.
The exported sentiment model has 85 of them: a third of its nodes and two of three functions. They check what TensorFlow
itself has just computed. Without them a server loads the model and runs every signature once in 0.6 times the
time; assertions of this project stay.
"""

import re
from collections.abc import Iterable, Iterator

from tensorflow.core.framework import function_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2

# The names that tf.debugging gives to assertions, below the name of the operation that made the ragged tensor.
_CHECK = re.compile(r'(Ragged|RowPartition)\w*/([\w.]+/)*Assert/AssertGuard(/|$)')


def drop_ragged_checks(saved_model: saved_model_pb2.SavedModel) -> int:
    """Removes the assertions from all functions, with the nodes that only they used.

    The outputs of the functions do not change. Functions that only an assertion called are removed, unless the object
    graph names them.

    Args:
        saved_model: changed in place.

    Returns:
        The number of assertions.
    """
    dropped = 0
    for meta_graph in saved_model.meta_graphs:
        library = meta_graph.graph_def.library
        branches: set[str] = set()
        for function in library.function:
            checks = {node.name for node in function.node_def if _CHECK.search(node.name)}
            guards = [
                node for node in function.node_def if node.name in checks and node.op in ('If', 'StatelessIf')
            ]
            branches.update(_called_functions(guards))
            dropped += len(guards)
            if checks:
                _drop_nodes(function, checks)
        used = set(_called_functions(meta_graph.graph_def.node))
        used.update(meta_graph.object_graph_def.concrete_functions)
        used.update(name for function in library.function for name in _called_functions(function.node_def))
        unused = branches - used
        for function in [function for function in library.function if function.signature.name in unused]:
            library.function.remove(function)
    return dropped


def _drop_nodes(function: function_pb2.FunctionDef, names: set[str]) -> None:
    for output in [output for output, node in function.control_ret.items() if node in names]:
        del function.control_ret[output]
        function.signature.control_output.remove(output)
    nodes = {node.name: node for node in function.node_def if node.name not in names}
    for node in nodes.values():
        inputs = [tensor for tensor in node.input if _node_name(tensor) not in names]
        del node.input[:]
        node.input.extend(inputs)
    # Keep what the outputs depend on.
    needed: set[str] = set()
    pending = [*map(_node_name, function.ret.values()), *function.control_ret.values()]
    while pending:
        name = pending.pop()
        if name in nodes and name not in needed:
            needed.add(name)
            pending.extend(map(_node_name, nodes[name].input))
    for node in [node for node in function.node_def if node.name not in needed]:
        function.node_def.remove(node)


def _node_name(tensor: str) -> str:
    """Returns the node of `name:output:0`, or of the control input `^name`."""
    return tensor.removeprefix('^').split(':')[0]


def _called_functions(nodes: Iterable[node_def_pb2.NodeDef]) -> Iterator[str]:
    for node in nodes:
        for value in node.attr.values():
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name
