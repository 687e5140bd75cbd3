"""gRPC: one channel, reused."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from numpy.typing import ArrayLike

from vaiven.serving.client.errors import request_error
from vaiven.serving.client.results import Metadata, Signature, Target, TensorSpec, VersionStatus
from vaiven.serving.client.transport import Arrays, Features
from vaiven.serving.wire import dtypes, messages, tensors

PREDICTION = '/tensorflow.serving.PredictionService'
MODEL = '/tensorflow.serving.ModelService'
METHODS = {
    'Predict': (PREDICTION, messages.PredictRequest, messages.PredictResponse),
    'Classify': (PREDICTION, messages.ClassificationRequest, messages.ClassificationResponse),
    'GetModelMetadata': (PREDICTION, messages.GetModelMetadataRequest, messages.GetModelMetadataResponse),
    'GetModelStatus': (MODEL, messages.GetModelStatusRequest, messages.GetModelStatusResponse),
    'HandleReloadConfigRequest': (MODEL, messages.ReloadConfigRequest, messages.ReloadConfigResponse),
}


class GrpcTransport:
    """A `Transport` over gRPC, without encryption."""

    def __init__(self, address: str, max_message_bytes: int) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ('grpc.max_send_message_length', max_message_bytes),
                ('grpc.max_receive_message_length', max_message_bytes),
                # A proxy of the environment is for the way out, never for a model server.
                ('grpc.enable_http_proxy', 0),
            ],
        )
        self._calls: dict[str, Callable[..., Any]] = {
            name: self._channel.unary_unary(
                f'{service}/{name}', request.SerializeToString, response.FromString
            )
            for name, (service, request, response) in METHODS.items()
        }

    def predict(
        self, target: Target, inputs: Mapping[str, ArrayLike], outputs: Sequence[str], timeout: float
    ) -> Arrays:
        request = messages.PredictRequest(model_spec=_spec(target), output_filter=outputs)
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tensors.to_proto(value))
        answer = self._call('Predict', request, timeout, target)
        return {name: tensors.to_array(proto) for name, proto in answer.outputs.items()}

    def classify(
        self, target: Target, examples: Sequence[Features], timeout: float
    ) -> list[list[tuple[str, float]]]:
        request = messages.ClassificationRequest(model_spec=_spec(target))
        for features in examples:
            _fill(request.input.example_list.examples.add(), features)
        answer = self._call('Classify', request, timeout, target)
        return [[(each.label, each.score) for each in one.classes] for one in answer.result.classifications]

    def metadata(self, target: Target, timeout: float) -> Metadata:
        request = messages.GetModelMetadataRequest(model_spec=_spec(target), metadata_field=['signature_def'])
        answer = self._call('GetModelMetadata', request, timeout, target)
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

    def status(self, target: Target, timeout: float) -> list[VersionStatus]:
        request = messages.GetModelStatusRequest(model_spec=_spec(target))
        answer = self._call('GetModelStatus', request, timeout, target)
        states = messages.ModelVersionStatus.State
        return [
            VersionStatus(each.version, states.Name(each.state), each.status.error_message)
            for each in answer.model_version_status
        ]

    def reload(self, config: Any, timeout: float) -> None:
        target = Target(', '.join(each.name for each in config.model_config_list.config))
        request = messages.ReloadConfigRequest(config=config)
        answer = self._call('HandleReloadConfigRequest', request, timeout, target)
        if answer.status.error_code:
            code = {each.value[0]: each.name for each in grpc.StatusCode}.get(
                answer.status.error_code, 'UNKNOWN'
            )
            raise request_error(code, answer.status.error_message, self.address, timeout, target)

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: str, request: Any, timeout: float, target: Target) -> Any:
        try:
            return self._calls[method](request, timeout=timeout)
        except grpc.RpcError as error:
            raise request_error(
                error.code().name, error.details() or '', self.address, timeout, target
            ) from error
        except ValueError as error:
            raise request_error('CANCELLED', str(error), self.address, timeout, target) from error


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
