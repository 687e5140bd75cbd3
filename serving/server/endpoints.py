"""Signatures as requests need them: a SignatureDef, whose maps are slow to ask, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Endpoint:
    """A signature that can be asked.

    Attributes:
        method_name: as `tensorflow/serving/predict`.
        inputs, outputs: names of tensors by alias, in the order of the aliases.
        defaults: TensorProtos of inputs that may be left out, by alias.
        aliases, fetches: of all outputs.
    """

    method_name: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    defaults: dict[str, Any]
    aliases: tuple[str, ...]
    fetches: tuple[str, ...]

    @classmethod
    def of(cls, signature: Any) -> 'Endpoint':
        """From a SignatureDef."""
        inputs, outputs = (
            {alias: infos[alias].name for alias in sorted(infos)}
            for infos in (signature.inputs, signature.outputs)
        )
        defaults = {alias: signature.defaults[alias] for alias in signature.defaults}
        return cls(signature.method_name, inputs, outputs, defaults, tuple(outputs), tuple(outputs.values()))


def endpoints(signatures: Mapping[str, Any]) -> dict[str, Endpoint]:
    """The endpoints of SignatureDefs by name."""
    return {name: Endpoint.of(signature) for name, signature in signatures.items()}
