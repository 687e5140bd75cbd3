"""Takes out of a SavedModel the checks that ragged tensors make of themselves.

TensorFlow's operations on strings make ragged tensors with their checks on, and each check is an `If` with two
functions of its own: in the exported sentiment model 169 checks, with them half of the nodes and five of six
functions. What they check is what TensorFlow itself has just computed. Without them a server loads the model and
runs every signature once in less than half of the time. Assertions that somebody wrote stay.
"""

import re
from collections.abc import Iterable, Iterator

from tensorflow.core.framework import function_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2

# As tf.debugging names it, below the name of what made the ragged tensor.
_CHECK = re.compile(r'(Ragged|RowPartition)\w*/([\w.]+/)*Assert/AssertGuard(/|$)')


def drop_ragged_checks(saved_model: saved_model_pb2.SavedModel) -> int:
    """Takes them out of all functions, with what only they needed; how many there were.

    A function gives back what it gave before. Those that only a check called are no longer there, unless the object
    graph names them.
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
            branches.update(_called(guards))
            dropped += len(guards)
            if checks:
                _drop(function, checks)
        kept = set(_called(meta_graph.graph_def.node)) | set(meta_graph.object_graph_def.concrete_functions)
        kept.update(name for function in library.function for name in _called(function.node_def))
        for function in [each for each in library.function if each.signature.name in branches - kept]:
            library.function.remove(function)
    return dropped


def _drop(function: function_pb2.FunctionDef, names: set[str]) -> None:
    for output in [output for output, node in function.control_ret.items() if node in names]:
        del function.control_ret[output]
        function.signature.control_output.remove(output)
    nodes = {node.name: node for node in function.node_def if node.name not in names}
    for node in nodes.values():
        inputs = [each for each in node.input if _node(each) not in names]
        del node.input[:]
        node.input.extend(inputs)
    needed: set[str] = set()
    ahead = [*map(_node, function.ret.values()), *function.control_ret.values()]
    while ahead:
        name = ahead.pop()
        if name in nodes and name not in needed:
            needed.add(name)
            ahead.extend(map(_node, nodes[name].input))
    for node in [node for node in function.node_def if node.name not in needed]:
        function.node_def.remove(node)


def _node(tensor: str) -> str:
    """The node of `name:output:0`, or of the control input `^name`."""
    return tensor.removeprefix('^').split(':')[0]


def _called(nodes: Iterable[node_def_pb2.NodeDef]) -> Iterator[str]:
    for node in nodes:
        for value in node.attr.values():
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name
