"""Message classes of the TensorFlow Serving API, built from `messages.binpb` in a private descriptor pool.

TensorFlow registers messages of the same full names in the default pool. With a private pool both exist in one process,
and messages pass from one to the other as bytes only. Names and numbers are those of `proto/`.
"""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

pool = DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(
    (Path(__file__).parent / 'messages.binpb').read_bytes()
).file:
    pool.Add(_file)


def service(name: str) -> ServiceDescriptor:
    """The service with this full name, such as `grpc.health.v1.Health`. Raises KeyError if there is none."""
    return pool.FindServiceByName(name)


def message_class(full_name: str) -> Any:
    """The class of the message with this full name. Raises KeyError if there is none."""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))


DataType: Any = pool.FindEnumTypeByName('tensorflow.DataType')
TensorShapeProto = message_class('tensorflow.TensorShapeProto')
TensorProto = message_class('tensorflow.TensorProto')
Example = message_class('tensorflow.Example')
Feature = message_class('tensorflow.Feature')
TensorInfo = message_class('tensorflow.TensorInfo')
SignatureDef = message_class('tensorflow.SignatureDef')
MetaGraphDef = message_class('tensorflow.MetaGraphDef')
SavedModel = message_class('tensorflow.SavedModel')
ModelSpec = message_class('tensorflow.serving.ModelSpec')
Input = message_class('tensorflow.serving.Input')
PredictRequest = message_class('tensorflow.serving.PredictRequest')
PredictResponse = message_class('tensorflow.serving.PredictResponse')
ClassificationRequest = message_class('tensorflow.serving.ClassificationRequest')
ClassificationResponse = message_class('tensorflow.serving.ClassificationResponse')
ClassificationResult = message_class('tensorflow.serving.ClassificationResult')
RegressionRequest = message_class('tensorflow.serving.RegressionRequest')
RegressionResponse = message_class('tensorflow.serving.RegressionResponse')
RegressionResult = message_class('tensorflow.serving.RegressionResult')
MultiInferenceRequest = message_class('tensorflow.serving.MultiInferenceRequest')
MultiInferenceResponse = message_class('tensorflow.serving.MultiInferenceResponse')
SignatureDefMap = message_class('tensorflow.serving.SignatureDefMap')
GetModelMetadataRequest = message_class('tensorflow.serving.GetModelMetadataRequest')
GetModelMetadataResponse = message_class('tensorflow.serving.GetModelMetadataResponse')
StatusProto = message_class('tensorflow.serving.StatusProto')
GetModelStatusRequest = message_class('tensorflow.serving.GetModelStatusRequest')
GetModelStatusResponse = message_class('tensorflow.serving.GetModelStatusResponse')
ModelVersionStatus = message_class('tensorflow.serving.ModelVersionStatus')
ModelConfig = message_class('tensorflow.serving.ModelConfig')
ModelServerConfig = message_class('tensorflow.serving.ModelServerConfig')
ReloadConfigRequest = message_class('tensorflow.serving.ReloadConfigRequest')
ReloadConfigResponse = message_class('tensorflow.serving.ReloadConfigResponse')
LoggingConfig = message_class('tensorflow.serving.LoggingConfig')
MonitoringConfig = message_class('tensorflow.serving.MonitoringConfig')
SSLConfig = message_class('tensorflow.serving.SSLConfig')
PredictionLog = message_class('tensorflow.serving.PredictionLog')
BatchingParameters = message_class('tensorflow.serving.BatchingParameters')
HealthCheckRequest = message_class('grpc.health.v1.HealthCheckRequest')
HealthCheckResponse = message_class('grpc.health.v1.HealthCheckResponse')
