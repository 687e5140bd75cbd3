"""`RequestFlows` in the messages of TensorFlow Serving's gRPC API."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from vaiven.serving.client.errors import (
    UNKNOWN_OUTPUT,
    InvalidRequestError,
    RequestError,
    no_target,
    status_error,
)
from vaiven.serving.client.features import values_of
from vaiven.serving.client.results import Metadata, Signature, Target, TensorSpec, VersionStatus
from vaiven.serving.client.signatures import Signatures, fitted, is_open, unsendable
from vaiven.serving.client.transport import Arrays, Call, Classes, Features, Outputs, RequestFlow
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import dtypes, messages, tensors

PREDICTION = '/tensorflow.serving.PredictionService'
MODEL = '/tensorflow.serving.ModelService'
HEALTH = '/grpc.health.v1.Health'
INFERENCE_METHODS = {'classify': 'tensorflow/serving/classify', 'regress': 'tensorflow/serving/regress'}
METHODS = {
    'Predict': (PREDICTION, messages.PredictRequest, messages.PredictResponse),
    'Classify': (PREDICTION, messages.ClassificationRequest, messages.ClassificationResponse),
    'Regress': (PREDICTION, messages.RegressionRequest, messages.RegressionResponse),
    'MultiInference': (PREDICTION, messages.MultiInferenceRequest, messages.MultiInferenceResponse),
    'GetModelMetadata': (PREDICTION, messages.GetModelMetadataRequest, messages.GetModelMetadataResponse),
    'GetModelStatus': (MODEL, messages.GetModelStatusRequest, messages.GetModelStatusResponse),
    'HandleReloadConfigRequest': (MODEL, messages.ReloadConfigRequest, messages.ReloadConfigResponse),
    'Check': (HEALTH, messages.HealthCheckRequest, messages.HealthCheckResponse),
}


def predict(
    target: Target, inputs: Mapping[str, ArrayLike], outputs: Outputs, known: Signatures
) -> RequestFlow[Arrays]:
    """Runs a signature. Requests its metadata first if an input has no dtype of its own.

    Args:
        target: model, version and signature.
        inputs: values by input name.
        outputs: the outputs to return.
        known: cache of metadata.
    """
    signatures, fresh = None, True
    names: Sequence[str] = outputs.names
    if any(map(is_open, inputs.values())):
        signatures, fresh = known.get(target), False
        if signatures is None:
            signatures, fresh = (yield from _learnt(target, known)), True
    elif outputs.missing_ok:
        signatures = known.get(target)
    if outputs.missing_ok and signatures is not None:
        names = _present(names, target, signatures)
    try:
        answer = yield Call('Predict', _predict_request(target, inputs, names, signatures))
    except InvalidRequestError as error:
        if outputs.missing_ok and error.details.startswith(UNKNOWN_OUTPUT):
            # The metadata is for the next request: behind a gateway, it may be that of another version.
            newest, names = (yield from _learnt(target, known)), ()
        # There may be another version meanwhile, which wants other dtypes.
        elif fresh or signatures == (newest := (yield from _learnt(target, known))):
            raise
        answer = yield Call('Predict', _predict_request(target, inputs, names, newest))
    if signatures is not None:
        known.seen(target, answer.model_spec.version.value)
    return {name: tensors.to_array(proto) for name, proto in answer.outputs.items()}


def _present(names: Sequence[str], target: Target, metadata: Metadata) -> list[str]:
    signature = metadata.signatures.get(target.signature or 'serving_default')
    return [name for name in names if signature is not None and name in signature.outputs]


def _learnt(target: Target, known: Signatures) -> RequestFlow[Metadata]:
    found = yield from metadata(target)
    known.put(target, found)
    return found


def _predict_request(
    target: Target, inputs: Mapping[str, ArrayLike], outputs: Sequence[str], signatures: Metadata | None
) -> Any:
    request = messages.PredictRequest(model_spec=_spec(target), output_filter=outputs)
    for name, value in inputs.items():
        try:
            tensors.write_proto(request.inputs[name], fitted(signatures, target.signature, name, value))
        except (ValueError, TypeError, OverflowError) as error:
            raise unsendable(name, error) from error
    return request


def classify(target: Target, examples: Sequence[Features]) -> RequestFlow[list[Classes]]:
    """Returns classes and scores of each example."""
    request = messages.ClassificationRequest(model_spec=_spec(target))
    for features in examples:
        _fill(request.input.example_list.examples.add(), features)
    answer = yield Call('Classify', request)
    return _classes(answer.result)


def regress(target: Target, examples: Sequence[Features]) -> RequestFlow[list[float]]:
    """Returns a number for each example."""
    request = messages.RegressionRequest(model_spec=_spec(target))
    for features in examples:
        _fill(request.input.example_list.examples.add(), features)
    answer = yield Call('Regress', request)
    return [each.value for each in answer.result.regressions]


def multi_inference(
    target: Target, examples: Sequence[Features], signatures: Mapping[str, str]
) -> RequestFlow[dict[str, list[Classes] | list[float]]]:
    """Runs several signatures on the same examples.

    Args:
        target: model and version.
        examples: one mapping of features for each.
        signatures: 'classify' or 'regress' for each signature.
    """
    request = messages.MultiInferenceRequest()
    for signature, method in signatures.items():
        if method not in INFERENCE_METHODS:
            raise ServingError(
                f'signature {signature!r} is for classify or for regress. Received: {method!r}'
            )
        spec = _spec(Target(target.model, signature, target.version, target.label))
        request.tasks.add(model_spec=spec, method_name=INFERENCE_METHODS[method])
    for features in examples:
        _fill(request.input.example_list.examples.add(), features)
    answer = yield Call('MultiInference', request)
    return {
        each.model_spec.signature_name: _classes(each.classification_result)
        if each.HasField('classification_result')
        else [one.value for one in each.regression_result.regressions]
        for each in answer.results
    }


def metadata(target: Target) -> RequestFlow[Metadata]:
    """Returns the signatures of a version."""
    request = messages.GetModelMetadataRequest(model_spec=_spec(target), metadata_field=['signature_def'])
    answer = yield Call('GetModelMetadata', request)
    signatures = messages.SignatureDefMap.FromString(answer.metadata['signature_def'].value)
    return Metadata(
        answer.model_spec.version.value,
        {
            name: Signature(
                {key: _tensor_spec(info) for key, info in signature.inputs.items()},
                {key: _tensor_spec(info) for key, info in signature.outputs.items()},
                signature.method_name,
            )
            for name, signature in signatures.signature_def.items()
        },
    )


def status(target: Target) -> RequestFlow[list[VersionStatus]]:
    """Returns the versions that the server knows, newest first."""
    answer = yield Call('GetModelStatus', messages.GetModelStatusRequest(model_spec=_spec(target)))
    states = messages.ModelVersionStatus.State
    found = [
        VersionStatus(each.version, states.Name(each.state), each.status.error_message)
        for each in answer.model_version_status
    ]
    return sorted(found, key=lambda each: each.version, reverse=True)


def health() -> RequestFlow[bool]:
    """Returns whether the server as a whole is SERVING."""
    try:
        answer = yield Call('Check', messages.HealthCheckRequest())
    except RequestError as error:
        if error.code != 'UNIMPLEMENTED':
            raise
        message = 'the server has no health service: start it with --enable_grpc_healthcheck_service'
        raise RequestError(message, error.code, error.details) from error
    return bool(answer.status == messages.HealthCheckResponse.SERVING)


def reload(config: Any) -> RequestFlow[None]:
    """Replaces the configuration. Raises RequestError if the StatusProto of the response reports a failure."""
    answer = yield Call('HandleReloadConfigRequest', messages.ReloadConfigRequest(config=config))
    if answer.status.error_code:
        raise status_error(answer.status.error_code, answer.status.error_message)


def _spec(target: Target) -> Any:
    try:
        spec = messages.ModelSpec(name=target.model, signature_name=target.signature)
        if target.version is not None:
            spec.version.value = target.version
        elif target.label is not None:
            spec.version_label = target.label
    except (ValueError, TypeError) as error:
        raise no_target(target) from error
    return spec


def _tensor_spec(info: Any) -> TensorSpec:
    shape = info.tensor_shape
    sizes = None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
    return TensorSpec(dtypes.NAMES.get(info.dtype, str(info.dtype)), sizes)


def _fill(example: Any, features: Features) -> None:
    for name, value in features.items():
        feature = example.features.feature[name]
        values = values_of(name, value)
        if not values or isinstance(values[0], bytes):
            feature.bytes_list.value.extend(values)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)


def _classes(result: Any) -> list[Classes]:
    return [[(each.label, each.score) for each in one.classes] for one in result.classifications]
