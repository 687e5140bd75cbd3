"""Signatures as requests need them: read once, since look-ups in the maps of a SignatureDef are slow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

# The end of the name of an output with the lengths of ragged ones.
_ROW_LENGTHS = 'row_lengths'


@dataclass(frozen=True)
class Endpoint:
    """A signature.

    Attributes:
        method_name: such as `tensorflow/serving/predict`.
        inputs: names of the input tensors by alias, sorted by alias.
        outputs: names of the output tensors by alias, sorted by alias.
        defaults: TensorProtos of optional inputs, by alias.
        aliases: the aliases of all outputs.
        fetches: the tensor names of all outputs.
        unservable: why the signature cannot be served; empty where it can.
        infos: the TensorInfo of each input, by alias.
    """

    method_name: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    defaults: dict[str, Any]
    aliases: tuple[str, ...]
    fetches: tuple[str, ...]
    unservable: str = ''
    infos: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_signature(cls, signature: Any, unservable: str = '') -> 'Endpoint':
        """The endpoint of a SignatureDef; `unservable` says why it cannot be served."""
        # Sorted, so that equal requests have equal keys in the caches of callables, queues and costs.
        inputs, outputs = (
            {alias: infos[alias].name for alias in sorted(infos)}
            for infos in (signature.inputs, signature.outputs)
        )
        # A client may omit these inputs, which are keyword arguments with default values in the exported function.
        defaults = {alias: signature.defaults[alias] for alias in signature.defaults}
        return cls(
            signature.method_name,
            inputs,
            outputs,
            defaults,
            tuple(outputs),
            tuple(outputs.values()),
            unservable,
            dict(signature.inputs),
        )


def endpoints(
    signatures: Mapping[str, Any], unservable: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Endpoint]:
    """The endpoints of a model.

    Args:
        signatures: SignatureDefs by name.
        unservable: the reasons of those that cannot be served, by name.
    """
    return {
        name: Endpoint.from_signature(signature, unservable.get(name, ''))
        for name, signature in signatures.items()
    }


def row_outputs(signatures: Mapping[str, Any]) -> frozenset[str]:
    """The names of the output tensors that may have one row for each row of the inputs.

    Their signature leaves the first dimension, or the rank, open. If it has an output such as `row_lengths`, the others
    are ragged: all values one after the other, which may be as many as there are rows by chance.
    """
    return frozenset(
        info.name
        for signature in signatures.values()
        if not any(alias.endswith(_ROW_LENGTHS) for alias in signature.outputs)
        for info in signature.outputs.values()
        if info.tensor_shape.unknown_rank or (info.tensor_shape.dim and info.tensor_shape.dim[0].size == -1)
    )
