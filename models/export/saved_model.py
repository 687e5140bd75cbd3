"""Exports the trained network as a SavedModel for TensorFlow Serving: it takes raw strings and runs on any CPU."""

import json
import pathlib

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.core.protobuf import saved_model_pb2

from vaiven.configuration import from_dict
from vaiven.models.data.preprocessing import text_config
from vaiven.models.export.files import CONFIG_PATH
from vaiven.models.export.ragged_checks import drop_ragged_checks
from vaiven.models.export.signatures import Signatures
from vaiven.models.export.text_model import TextModel
from vaiven.models.export.warmup import write_warmup_requests
from vaiven.models.network.network import Network
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.hardware import inference_network

CLASSIFY_METHOD = 'tensorflow/serving/classify'


def export(
    trained: Network, transform: tft.TFTransformOutput, vocabulary_path: str, config_json: str, folder: str
) -> None:
    """Writes the SavedModel with its signatures, its warm-up requests and its configuration.

    Args:
        trained: the network; its weights are copied into a network without cuDNN operations.
        transform: output of Transform, for the signature `transform_features`.
        vocabulary_path: path of `vocab.txt`, which becomes an asset of the SavedModel.
        config_json: the configuration as JSON, written to `assets.extra/vaiven.json`.
        folder: where to write; created if it does not exist.
    """
    network = inference_network(trained, use_cudnn=False)
    config = json.loads(config_json)
    signatures = Signatures(
        TextModel(network, text_config(config_json), vocabulary_path),
        from_dict(TrainingConfig, config['training']).task,
        config.get('data', {}).get('label_separator', '|'),
    )
    layer = transform.transform_features_layer()
    endpoints = signatures.endpoints(transform, layer)
    # Only resources, and no functions: `tf.saved_model.save` traces every function that it finds a second time, and
    # writes it a second time beside the signature.
    resources = tf.Module()
    resources.network = [variable.value for variable in network.variables]
    resources.combination = network.combination.value  # the name that `combination` finds it by
    resources.table, resources.tokens = signatures.model.table, signatures.model.tokens
    resources.transform = layer
    if signatures.model.lstm is not None:
        resources.kernels = signatures.model.lstm.kernels
    concrete = {
        name: tf.function(function, input_signature=specification, autograph=False).get_concrete_function()
        for name, (function, specification) in endpoints.items()
    }
    tf.saved_model.save(resources, folder, signatures=concrete)
    _edit_saved_model(pathlib.Path(folder) / 'saved_model.pb')
    config_path = pathlib.Path(folder) / CONFIG_PATH
    config_path.parent.mkdir(exist_ok=True)
    config_path.write_text(config_json + '\n', encoding='utf-8')
    write_warmup_requests(folder, endpoints)


def _edit_saved_model(path: pathlib.Path) -> None:
    """Drops the assertions of ragged tensors and sets the method name of `classify`.

    `tf.saved_model.save` cannot set a method name, and MultiInference and strict servers require it.
    """
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    drop_ragged_checks(saved_model)
    for graph in saved_model.meta_graphs:
        if 'classify' in graph.signature_def:
            graph.signature_def['classify'].method_name = CLASSIFY_METHOD
    path.write_bytes(saved_model.SerializeToString())
