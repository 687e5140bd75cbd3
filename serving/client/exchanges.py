"""What goes to a server and what comes back, over gRPC, with nothing said of how it travels.

Each function is a generator: it yields a method's name and the request, is sent the response, and returns the
result. So the client that waits and the one of asyncio are one.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeVar

from numpy.typing import ArrayLike

from vaiven.serving.client.results import Metadata, Signature, Target, TensorSpec, VersionStatus
from vaiven.serving.client.transport import Arrays, Features
from vaiven.serving.wire import dtypes, messages, tensors

PREDICTION = '/tensorflow.serving.PredictionService'
MODEL = '/tensorflow.serving.ModelService'
METHODS = {
    'Predict': (PREDICTION, messages.PredictRequest, messages.PredictResponse),
    'Classify': (PREDICTION, messages.ClassificationRequest, messages.ClassificationResponse),
    'Regress': (PREDICTION, messages.RegressionRequest, messages.RegressionResponse),
    'GetModelMetadata': (PREDICTION, messages.GetModelMetadataRequest, messages.GetModelMetadataResponse),
    'GetModelStatus': (MODEL, messages.GetModelStatusRequest, messages.GetModelStatusResponse),
    'HandleReloadConfigRequest': (MODEL, messages.ReloadConfigRequest, messages.ReloadConfigResponse),
}

T = TypeVar('T')
Exchange = Generator[tuple[str, Any], Any, T]


def predict(target: Target, inputs: Mapping[str, ArrayLike], outputs: Sequence[str]) -> 'Exchange[Arrays]':
    """Arrays by output name."""
    request = messages.PredictRequest(model_spec=_spec(target), output_filter=outputs)
    for name, value in inputs.items():
        tensors.write_proto(request.inputs[name], value)
    answer = yield 'Predict', request
    return {name: tensors.to_array(proto) for name, proto in answer.outputs.items()}


def classify(target: Target, examples: Sequence[Features]) -> 'Exchange[list[list[tuple[str, float]]]]':
    """Classes and scores of each example."""
    request = messages.ClassificationRequest(model_spec=_spec(target))
    for features in examples:
        _fill(request.input.example_list.examples.add(), features)
    answer = yield 'Classify', request
    return [[(each.label, each.score) for each in one.classes] for one in answer.result.classifications]


def regress(target: Target, examples: Sequence[Features]) -> 'Exchange[list[float]]':
    """A number for each example."""
    request = messages.RegressionRequest(model_spec=_spec(target))
    for features in examples:
        _fill(request.input.example_list.examples.add(), features)
    answer = yield 'Regress', request
    return [each.value for each in answer.result.regressions]


def metadata(target: Target) -> 'Exchange[Metadata]':
    """The signatures of a version."""
    request = messages.GetModelMetadataRequest(model_spec=_spec(target), metadata_field=['signature_def'])
    answer = yield 'GetModelMetadata', request
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


def status(target: Target) -> 'Exchange[list[VersionStatus]]':
    """The versions that the server knows, newest first."""
    answer = yield 'GetModelStatus', messages.GetModelStatusRequest(model_spec=_spec(target))
    states = messages.ModelVersionStatus.State
    found = [
        VersionStatus(each.version, states.Name(each.state), each.status.error_message)
        for each in answer.model_version_status
    ]
    return sorted(found, key=lambda each: each.version, reverse=True)


def reload(config: Any) -> 'Exchange[Any]':
    """The StatusProto of the answer; its code is 0 where all went well."""
    answer = yield 'HandleReloadConfigRequest', messages.ReloadConfigRequest(config=config)
    return answer.status


def _spec(target: Target) -> Any:
    spec = messages.ModelSpec(name=target.model, signature_name=target.signature)
    if target.version is not None:
        spec.version.value = target.version
    elif target.label is not None:
        spec.version_label = target.label
    return spec


def _tensor_spec(info: Any) -> TensorSpec:
    shape = info.tensor_shape
    sizes = None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
    return TensorSpec(dtypes.NAMES.get(info.dtype, str(info.dtype)), sizes)


def _fill(example: Any, features: Features) -> None:
    for name, value in features.items():
        feature = example.features.feature[name]
        values = list(value) if isinstance(value, list | tuple) else [value]
        if all(isinstance(each, str | bytes) for each in values):
            encoded = [each.encode() if isinstance(each, str) else each for each in values]
            feature.bytes_list.value.extend(encoded)
        elif all(isinstance(each, int) for each in values):
            feature.int64_list.value.extend(map(int, values))
        else:
            feature.float_list.value.extend(values)
