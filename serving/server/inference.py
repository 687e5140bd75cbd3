"""Predict, Classify, Regress and MultiInference on one loaded model. Checks and error texts are upstream's.

The functions are generators and do not run the model: they yield feeds and fetches, receive the values, and return the
response. `execution` decides where the run happens.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError, failed_precondition, invalid_argument
from vaiven.serving.server.endpoints import Endpoint
from vaiven.serving.server.example_inference import (
    CLASSIFY_METHOD,
    REGRESS_METHOD,
    classify_into,
    regress_into,
)
from vaiven.serving.server.execution import LoadedModel
from vaiven.serving.server.steps import Steps
from vaiven.serving.wire import messages, tensors

DEFAULT_SIGNATURE = 'serving_default'
_PREDICTABLE = ('tensorflow/serving/predict', CLASSIFY_METHOD, REGRESS_METHOD)


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
    """Answers a ClassificationRequest with a ClassificationResponse.

    Args:
        servable: the version that answers.
        request: the ClassificationRequest.
        check_method: whether the `method_name` of the signature must match.

    Raises:
        StatusError: the request does not match the signature, or the run failed.
    """
    response = messages.ClassificationResponse()
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    yield from classify_into(response.result, servable.model, name, request.input, check_method)
    _write_spec(response.model_spec, servable, name)
    return response


def regress(servable: Servable, request: Any, *, check_method: bool = False) -> 'Steps[Any]':
    """Answers a RegressionRequest with a RegressionResponse.

    Args:
        servable: the version that answers.
        request: the RegressionRequest.
        check_method: whether the `method_name` of the signature must match.

    Raises:
        StatusError: the request does not match the signature, or the run failed.
    """
    response = messages.RegressionResponse()
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    yield from regress_into(response.result, servable.model, name, request.input, check_method)
    _write_spec(response.model_spec, servable, name)
    return response


def multi_inference(servable: Servable, request: Any, *, check_method: bool = False) -> 'Steps[Any]':
    """Answers a MultiInferenceRequest with a MultiInferenceResponse.

    Args:
        servable: the version that answers.
        request: the MultiInferenceRequest.
        check_method: whether the `method_name` of the signature must match.

    Raises:
        StatusError: the request does not match the signature, or the run failed.
    """
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
            yield from classify_into(
                result.classification_result, servable.model, name, request.input, check_method
            )
        elif task.method_name == REGRESS_METHOD:
            yield from regress_into(
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
