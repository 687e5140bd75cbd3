"""Finds the outputs of a graph whose cost depends on the shapes of the inputs only, and not on their values.

For these outputs, earlier runs predict the cost of the next one. For all others, the next run may take any time,
because a value decides the amount of work: in a loop, or in an operation such as Fill or RandomUniform whose shape is
computed from an input. An operation that is not listed here counts as value-dependent.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from vaiven.serving.server.endpoints import Endpoint

_CALLS = frozenset(('PartitionedCall', 'StatefulPartitionedCall'))
# Their output values depend on the shapes of their inputs only.
_SHAPES = frozenset(('Shape', 'ShapeN', 'Size', 'Rank'))
# Their output values may change from run to run.
_SOURCES = frozenset(
    ('Placeholder', 'PlaceholderV2', 'PlaceholderWithDefault', 'ReadVariableOp', 'VariableV2', 'Variable')
)
# The inputs (by index) whose values decide the output shape or the amount of work.
_SHAPED_BY: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ('Fill', 'RandomUniform', 'RandomStandardNormal', 'RandomUniformInt', 'TruncatedNormal'), (0,)
    ),
    **dict.fromkeys(
        (
            'StatelessRandomUniformV2',
            'StatelessRandomNormalV2',
            'StatelessRandomUniform',
            'StatelessRandomNormal',
            'StatelessTruncatedNormal',
            'StatelessTruncatedNormalV2',
            'Split',
            'Concat',
            'Conv2DBackpropInput',
        ),
        (0,),
    ),
    **dict.fromkeys(
        (
            'Tile',
            'BroadcastTo',
            'Reshape',
            'Pad',
            'PadV2',
            'MirrorPad',
            'OneHot',
            'ExpandDims',
            'Transpose',
            'ConjugateTranspose',
            'Sum',
            'Mean',
            'Prod',
            'Max',
            'Min',
            'All',
            'Any',
            'EuclideanNorm',
            'ArgMax',
            'ArgMin',
            'TopKV2',
            'ResizeBilinear',
            'ResizeNearestNeighbor',
            'ReduceJoin',
            'Cumsum',
            'Cumprod',
            'ReverseV2',
        ),
        (1,),
    ),
    **dict.fromkeys(('SplitV', 'Slice', 'MaxPoolV2'), (1, 2)),
    **dict.fromkeys(('GatherV2', 'ScatterNd', 'UnsortedSegmentSum', 'UnsortedSegmentMax', 'LinSpace'), (2,)),
    'Range': (0, 1, 2),
    'StridedSlice': (1, 2, 3),
    'ConcatV2': (-1,),
}
# The shapes of their inputs alone decide their output shape and their work.
_SHAPE_BOUND_NAMES = """
    Identity IdentityN NoOp StopGradient PreventGradient Snapshot CheckNumerics EnsureShape Cast Bitcast Assert
    VarHandleOp VarIsInitializedOp Const HashTable HashTableV2 LookupTableFind LookupTableFindV2
    Add AddV2 AddN AccumulateNV2 Sub Mul MulNoNan Div DivNoNan RealDiv TruncateDiv FloorDiv FloorMod Mod TruncateMod
    Pow Maximum Minimum SquaredDifference Neg Abs Sign Square Sqrt Rsqrt Reciprocal Inv Exp Expm1 Log Log1p
    Sin Cos Tan Asin Acos Atan Atan2 Sinh Cosh Tanh Asinh Acosh Atanh Erf Erfc Erfinv Ndtri Lgamma Digamma
    Round Rint Floor Ceil IsNan IsInf IsFinite Xdivy Xlogy Xlog1py ClipByValue Complex Real Imag Conj Angle ComplexAbs
    Equal NotEqual Less LessEqual Greater GreaterEqual ApproximateEqual LogicalAnd LogicalOr LogicalNot
    BitwiseAnd BitwiseOr BitwiseXor LeftShift RightShift Invert PopulationCount Select SelectV2 ZerosLike OnesLike
    Sigmoid Relu Relu6 LeakyRelu Elu Selu Softplus Softsign Softmax LogSoftmax L2Loss
    SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits InTopK InTopKV2
    MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum BiasAdd BiasAddV1 Conv2D Conv3D DepthwiseConv2dNative
    MaxPool AvgPool MaxPool3D AvgPool3D LRN FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
    Pack Unpack Gather GatherNd ResourceGather ResourceGatherNd Squeeze Reverse ReverseSequence
    DepthToSpace SpaceToDepth MatrixBandPart DiagPart MatrixDiagPart TopK Bucketize BroadcastArgs
    TensorScatterUpdate TensorScatterAdd
    QuantizeV2 Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
    StringUpper StringLower StringLength StringJoin StringStrip Substr StringToNumber AsString StringToHashBucketFast
    StringToHashBucket StringToHashBucketStrong StaticRegexFullMatch StaticRegexReplace
    EncodeBase64 DecodeBase64
"""
_SHAPE_BOUND = frozenset(_SHAPE_BOUND_NAMES.split())
_PARSERS = frozenset(('ParseExample', 'ParseExampleV2'))


class _ValueDependentError(Exception):
    """The cost of an operation depends on a value, or is unknown."""


def outputs_of_fixed_cost(graph: Any, endpoints: Iterable[Endpoint]) -> frozenset[str]:
    """The names of the output tensors whose cost the shapes of the inputs alone decide.

    Args:
        graph: a GraphDef.
        endpoints: the signatures whose outputs are examined.
    """
    costs = _Costs({function.signature.name: function for function in graph.library.function})
    nodes = {node.name: node for node in graph.node}
    fixed: set[str] = set()
    for endpoint in endpoints:
        depends = {_producer(tensor): True for tensor in endpoint.inputs.values()}
        for tensor in endpoint.outputs.values():
            try:
                costs.visit(nodes, depends, [_producer(tensor)])
            except _ValueDependentError:
                continue
            fixed.add(tensor)
    return frozenset(fixed)


class _Costs:
    """Visits the nodes of a graph and of the functions that it calls."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions
        self._called: dict[tuple[str, tuple[bool, ...]], bool | None] = {}

    def visit(self, nodes: Mapping[str, Any], depends: dict[str, bool], wanted: Iterable[str]) -> None:
        """Checks the nodes `wanted` and all nodes that they depend on.

        Args:
            nodes: NodeDefs by name.
            depends: whether the values of a node depend on more than the shapes of the inputs, by name. Results are
                added; nodes that are in it are not visited.
            wanted: names of nodes.

        Raises:
            _ValueDependentError: a value decides the cost of one of them.
        """
        stack = list(wanted)  # not by recursion: graphs are deep
        opened: set[str] = set()
        while stack:
            name = stack[-1]
            if name in depends:
                stack.pop()
                continue
            node = nodes.get(name)
            if node is None:
                raise _ValueDependentError
            self._check(node)
            missing = [source for source in map(_producer, node.input) if source not in depends]
            if missing:
                if name in opened:
                    raise _ValueDependentError  # a cycle
                opened.add(name)
                stack += missing
                continue
            data_inputs = [
                source for source in node.input if not source.startswith('^')
            ]  # `^` marks control inputs
            depends[name] = self._depends(node, [depends[_producer(source)] for source in data_inputs])
            stack.pop()

    def _check(self, node: Any) -> None:
        """Raises _ValueDependentError for an operation that is not listed."""
        listed = node.op in _SHAPE_BOUND or node.op in _SHAPED_BY or node.op in _SHAPES or node.op in _SOURCES
        if not listed and node.op not in _CALLS and node.op not in self._functions and not _parses_rows(node):
            raise _ValueDependentError
        if '_XlaMustCompile' in node.attr and node.attr['_XlaMustCompile'].b:
            raise _ValueDependentError  # each new shape is compiled, which takes long

    def _depends(self, node: Any, inputs: list[bool]) -> bool:
        if node.op in _SHAPES:
            return False
        if node.op in _SOURCES:
            return True
        if node.op in _CALLS:
            return self._call(node.attr['f'].func.name, tuple(inputs))
        if node.op in self._functions:
            return self._call(node.op, tuple(inputs))
        if any(inputs[place] for place in _SHAPED_BY.get(node.op, ())):
            raise _ValueDependentError
        return any(inputs) or 'Random' in node.op or node.op == 'TruncatedNormal'

    def _call(self, name: str, arguments: tuple[bool, ...]) -> bool:
        key = name, arguments
        if key not in self._called:
            self._called[key] = None  # the result for a function that calls itself
            self._called[key] = self._body(name, arguments)
        depends = self._called[key]
        if depends is None:
            raise _ValueDependentError
        return depends

    def _body(self, name: str, arguments: tuple[bool, ...]) -> bool | None:
        function = self._functions.get(name)
        if function is None or ('_XlaMustCompile' in function.attr and function.attr['_XlaMustCompile'].b):
            return None
        nodes = {node.name: node for node in function.node_def}
        names = [argument.name for argument in function.signature.input_arg]
        depends = dict(zip(names, arguments, strict=True))
        try:
            self.visit(nodes, depends, nodes)
        except _ValueDependentError:
            return None
        return any(depends.get(_producer(source), True) for source in function.ret.values())


def _producer(tensor: str) -> str:
    """The node that computes a tensor, as an input of another node names it."""
    return tensor.removeprefix('^').partition(':')[0]


def _parses_rows(node: Any) -> bool:
    """Whether a node parses examples with features of fixed length only."""
    return (
        node.op in _PARSERS
        and not node.attr['Tsparse'].list.type
        and not node.attr['sparse_types'].list.type
        and not node.attr['ragged_value_types'].list.type
        and all(
            not shape.unknown_rank and all(dim.size >= 0 for dim in shape.dim)
            for shape in node.attr['dense_shapes'].list.shape
        )
    )
