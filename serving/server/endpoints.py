"""Signatures as requests need them: a SignatureDef, whose maps are slow to ask, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Endpoint:
    """A signature that can be asked.

    Attributes:
        method_name: as `tensorflow/serving/predict`.
        inputs, outputs: names of tensors by alias, in the order of the aliases.
        defaults: TensorProtos of inputs that may be left out, by alias.
        aliases, fetches: of all outputs.
        unservable: why it cannot be asked; empty where it can.
    """

    method_name: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    defaults: dict[str, Any]
    aliases: tuple[str, ...]
    fetches: tuple[str, ...]
    unservable: str = ''

    @classmethod
    def of(cls, signature: Any, unservable: str = '') -> 'Endpoint':
        """From a SignatureDef."""
        inputs, outputs = (
            {alias: infos[alias].name for alias in sorted(infos)}
            for infos in (signature.inputs, signature.outputs)
        )
        defaults = {alias: signature.defaults[alias] for alias in signature.defaults}
        return cls(
            signature.method_name,
            inputs,
            outputs,
            defaults,
            tuple(outputs),
            tuple(outputs.values()),
            unservable,
        )


def endpoints(
    signatures: Mapping[str, Any], unservable: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Endpoint]:
    """The endpoints of SignatureDefs by name; `unservable` says of some why they cannot be asked."""
    return {name: Endpoint.of(signature, unservable.get(name, '')) for name, signature in signatures.items()}
