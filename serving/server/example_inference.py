"""Classify and Regress on one loaded model: from examples to the results in a response.

Checks and error texts are upstream's (servables/tensorflow/classifier.cc, regressor.cc).
"""

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError, failed_precondition, invalid_argument
from vaiven.serving.server.execution import LoadedModel
from vaiven.serving.server.steps import Arrays
from vaiven.serving.wire.dtypes import kind_of_array

CLASSIFY_METHOD = 'tensorflow/serving/classify'
REGRESS_METHOD = 'tensorflow/serving/regress'
# Runs that fill in a part of a response.
Runs = Generator[tuple[dict[str, NDArray[Any]], list[str]], Arrays, None]


def _examples(request_input: Any) -> NDArray[Any]:
    """The serialized examples, each merged with the context if there is one. Strings of shape (examples,)."""
    kind = request_input.WhichOneof('kind')
    context = b''
    rows: Any = []
    if kind == 'example_list':
        rows = request_input.example_list.examples
    elif kind == 'example_list_with_context':
        context = request_input.example_list_with_context.context.SerializeToString()
        rows = request_input.example_list_with_context.examples
    if not rows:
        raise invalid_argument('Input is empty.')
    examples = np.empty(len(rows), object)
    # Two serialized messages one after the other are the serialization of the two merged (protobuf encoding, "Last
    # One Wins").
    examples[:] = [context + row.SerializeToString() for row in rows]
    return examples


def _signature(model: LoadedModel, name: str, method: str | None, noun: str) -> Any:
    """The SignatureDef for Classify or Regress.

    Args:
        model: the model.
        name: name of the signature.
        method: the `method_name` that it must have; None for any.
        noun: "classification" or "regression", for the message.
    """
    signature = model.signatures.get(name)
    if signature is None:
        raise invalid_argument(f'No signature was found with the name: {name}')
    unservable = model.endpoints[name].unservable
    if unservable:
        raise failed_precondition(f'Signature {name} cannot be served: {unservable}')
    if method is not None and signature.method_name != method:
        raise invalid_argument(
            f'Expected {noun} signature method_name to be {method}. Was: {signature.method_name}'
        )
    if len(signature.inputs) != 1:
        raise invalid_argument('Expected one input Tensor.')
    return signature


def classify_into(result: Any, model: LoadedModel, name: str, request_input: Any, check_method: bool) -> Runs:
    """Fills a ClassificationResult.

    Args:
        result: the message to fill.
        model: the loaded model.
        name: name of the signature.
        request_input: the Input of the request.
        check_method: whether the `method_name` of the signature must be that of Classify.

    Raises:
        StatusError: the request does not match the signature, or the run failed.
    """
    signature = _signature(model, name, CLASSIFY_METHOD if check_method else None, 'classification')
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f'Expected one or two output Tensors, found {len(signature.outputs)}')
    if 'inputs' not in signature.inputs:
        raise failed_precondition(f'No classification inputs found in SignatureDef: {signature}')
    aliases = [alias for alias in ('classes', 'scores') if alias in signature.outputs]
    if not aliases:
        raise failed_precondition(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f'Signature was: {signature}'
        )
    examples = _examples(request_input)
    arrays = yield (
        {signature.inputs['inputs'].name: examples},
        [signature.outputs[alias].name for alias in aliases],
    )
    by_alias = dict(zip(aliases, arrays, strict=True))  # arrays of shape (examples, classes)
    for alias, array in by_alias.items():
        if array.ndim != 2:
            raise invalid_argument(
                f'Expected Tensor shape: [batch_size num_classes] but got {list(array.shape)}'
            )
        kind = kind_of_array(array)
        expected = 'DT_STRING' if alias == 'classes' else 'DT_FLOAT'
        if kind.name != expected:
            raise invalid_argument(f'Expected {alias} Tensor of {expected}. Got: {kind.name}')
        if len(array) != len(examples):
            raise invalid_argument(
                f'Expected {alias} output batch size of {len(examples)}. Got: {len(array)}'
            )
    if len({array.shape[1] for array in arrays}) != 1:
        raise invalid_argument('Tensors class and score should match in dim_size(1).')
    for row in range(len(examples)):
        classifications = result.classifications.add()
        for column in range(arrays[0].shape[1]):
            entry = classifications.classes.add()
            if 'classes' in by_alias:
                entry.label = _label(by_alias['classes'][row, column])
            if 'scores' in by_alias:
                entry.score = float(by_alias['scores'][row, column])


def _label(item: bytes) -> str:
    try:
        return item.decode('utf-8')
    except UnicodeDecodeError:
        # A proto3 string cannot carry these bytes.
        raise StatusError(Code.INTERNAL, 'the model returned a class that is not UTF-8') from None


def regress_into(result: Any, model: LoadedModel, name: str, request_input: Any, check_method: bool) -> Runs:
    """Fills a RegressionResult.

    Args:
        result: the message to fill.
        model: the loaded model.
        name: name of the signature.
        request_input: the Input of the request.
        check_method: whether the `method_name` of the signature must be that of Regress.

    Raises:
        StatusError: the request does not match the signature, or the run failed.
    """
    signature = _signature(model, name, REGRESS_METHOD if check_method else None, 'regression')
    if len(signature.outputs) != 1:
        raise invalid_argument('Expected one output Tensor.')
    if 'inputs' not in signature.inputs:
        raise failed_precondition(f'No regression inputs found in SignatureDef: {signature}')
    if 'outputs' not in signature.outputs:
        raise failed_precondition(f'No regression outputs found in SignatureDef: {signature}')
    examples = _examples(request_input)
    (array,) = yield {signature.inputs['inputs'].name: examples}, [signature.outputs['outputs'].name]
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 1):
        raise invalid_argument(
            'Expected output Tensor shape to be either [batch_size] or [batch_size, 1] '
            f'but got {list(array.shape)}'
        )
    if len(array) != len(examples):
        raise invalid_argument(
            f'Input batch size did not match output batch size: {len(examples)} vs. {len(array)}'
        )
    if array.dtype != np.float32:
        raise invalid_argument(f'Expected output Tensor of DT_FLOAT.  Got: {kind_of_array(array).name}')
    for value in array.ravel().tolist():
        result.regressions.add(value=value)
