"""Predict, Classify, Regress and MultiInference on one loaded model. Checks and error texts are upstream's.

The functions are generators and do not run the model: they yield feeds and fetches, receive the values, and return the
response. `execution` decides where the run happens.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError, failed_precondition, invalid_argument
from vaiven.serving.server.endpoints import Endpoint
from vaiven.serving.server.execution import Arrays, LoadedModel, Steps
from vaiven.serving.wire import messages, tensors
from vaiven.serving.wire.dtypes import kind_of_array

DEFAULT_SIGNATURE = 'serving_default'
CLASSIFY_METHOD = 'tensorflow/serving/classify'
REGRESS_METHOD = 'tensorflow/serving/regress'
_PREDICTABLE = ('tensorflow/serving/predict', CLASSIFY_METHOD, REGRESS_METHOD)

# Runs that fill in a part of a response.
_Runs = Generator[tuple[dict[str, NDArray[Any]], list[str]], Arrays, None]


class Servable(Protocol):
    """A loaded version: name of the model, number of the version, and the model.

    Warm-up uses one that is not AVAILABLE yet.
    """

    name: str
    number: int

    @property
    def model(self) -> LoadedModel:
        """The model in memory."""


def predict(
    servable: Servable,
    request: Any,
    *,
    as_tensor_content: bool = False,
    check_method: bool = False,
    max_repeated_bytes: int = tensors.MAX_REPEATED_BYTES,
) -> 'Steps[Any]':
    """Answers a PredictRequest with a PredictResponse.

    Args:
        servable: the version that answers; the `model_spec` of the request is resolved to it already.
        request: the PredictRequest.
        as_tensor_content: whether to write `tensor_content` instead of typed lists.
        check_method: whether the `method_name` of the signature must allow Predict.
        max_repeated_bytes: maximum memory of a tensor whose last value the request repeats.

    Raises:
        StatusError: the request does not match the signature, or the run failed.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.model.endpoints.get(name)
    if signature is None:
        raise failed_precondition(f'Serving signature key "{name}" not found.')
    if signature.unservable:
        raise failed_precondition(f'Serving signature key "{name}" cannot be served: {signature.unservable}')
    if check_method and signature.method_name not in _PREDICTABLE:
        raise StatusError(
            Code.INTERNAL,
            f'Expected prediction signature method_name to be one of {_set(_PREDICTABLE)}. '
            f'Was: {signature.method_name}',
        )
    feeds = _feeds(signature, request.inputs, max_repeated_bytes)
    aliases: Sequence[str] = signature.aliases
    fetches = signature.fetches
    if request.output_filter:
        aliases = _outputs(signature, request.output_filter)
        fetches = tuple(signature.outputs[alias] for alias in aliases)
    arrays = yield feeds, fetches
    response = messages.PredictResponse()
    _write_spec(response.model_spec, servable, name)
    for alias, array in zip(aliases, arrays, strict=True):
        tensors.write_proto(response.outputs[alias], array, typed=not as_tensor_content)
    return response


def classify(servable: Servable, request: Any, *, check_method: bool = False) -> 'Steps[Any]':
    """Answers a ClassificationRequest with a ClassificationResponse. Raises StatusError."""
    response = messages.ClassificationResponse()
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    yield from _classify_into(response.result, servable.model, name, request.input, check_method)
    _write_spec(response.model_spec, servable, name)
    return response


def regress(servable: Servable, request: Any, *, check_method: bool = False) -> 'Steps[Any]':
    """Answers a RegressionRequest with a RegressionResponse. Raises StatusError."""
    response = messages.RegressionResponse()
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    yield from _regress_into(response.result, servable.model, name, request.input, check_method)
    _write_spec(response.model_spec, servable, name)
    return response


def multi_inference(servable: Servable, request: Any, *, check_method: bool = False) -> 'Steps[Any]':
    """Answers a MultiInferenceRequest with a MultiInferenceResponse. Raises StatusError."""
    response = messages.MultiInferenceResponse()
    names: set[str] = set()
    for task in request.tasks:
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid_argument(
                'All ModelSpecs in a MultiInferenceRequest must access the same model name.'
            )
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        # One task per signature, though each task is a run of its own here.
        if name in names:
            raise invalid_argument(f'Duplicate evaluation of signature: {name}')
        names.add(name)
        if name not in servable.model.signatures:
            raise invalid_argument(f'Requested signature not found in model graph: {name}')
        result = response.results.add()
        if task.method_name == CLASSIFY_METHOD:
            yield from _classify_into(
                result.classification_result, servable.model, name, request.input, check_method
            )
        elif task.method_name == REGRESS_METHOD:
            yield from _regress_into(
                result.regression_result, servable.model, name, request.input, check_method
            )
        else:
            raise StatusError(Code.UNIMPLEMENTED, f'Unsupported signature method_name: {task.method_name}')
        _write_spec(result.model_spec, servable, name)
    return response


def _write_spec(spec: Any, servable: Servable, signature_name: str) -> None:
    spec.name = servable.name
    spec.version.value = servable.number
    spec.signature_name = signature_name


def _set(names: Iterable[str]) -> str:
    return '{' + ','.join(sorted(names)) + '}'


def _feeds(signature: Endpoint, inputs: Any, max_repeated_bytes: int) -> dict[str, NDArray[Any]]:
    """Values of the input tensors by their names. Missing inputs take the defaults of the signature."""
    expected = signature.inputs
    # Upstream compares counts first, and names only where the counts agree: two different messages.
    if len(inputs) > len(expected) or (len(inputs) < len(expected) and not signature.defaults):
        sent, needed = set(inputs), set(expected)
        raise invalid_argument(
            f'input size does not match signature: {len(inputs)}!={len(expected)} '
            f'len({_set(sent)}) != len({_set(needed)}). Sent extra: {_set(sent - needed)}. '
            f'Missing but required: {_set(needed - sent)}.'
        )
    feeds = {}
    for alias, tensor in expected.items():
        if alias in inputs:
            value = inputs[alias]
        elif alias in signature.defaults:
            value = signature.defaults[alias]
        else:
            raise invalid_argument(
                f'Signature input alias: {alias}(feed name: {tensor}) not found in request and no '
                f'default value provided. Inputs expected to be in the set {_set(expected)}.'
            )
        try:
            feeds[tensor] = tensors.to_array(value, max_repeated_bytes)
        except ValueError as error:
            raise invalid_argument(f'tensor parsing error: {alias}: {error}') from error
    return feeds


def _outputs(signature: Endpoint, output_filter: Any) -> list[str]:
    """The aliases in an output filter. Raises StatusError for unknown and repeated ones."""
    aliases: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f'output tensor alias not found in signature: {alias} '
                f'Outputs expected to be in the set {_set(signature.outputs)}.'
            )
        if alias in aliases:
            raise invalid_argument(f'duplicate output tensor alias: {alias}')
        aliases.append(alias)
    return aliases


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


def _classify_into(
    result: Any, model: LoadedModel, name: str, request_input: Any, check_method: bool
) -> _Runs:
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


def _regress_into(
    result: Any, model: LoadedModel, name: str, request_input: Any, check_method: bool
) -> _Runs:
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
