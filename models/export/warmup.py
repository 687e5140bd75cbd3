"""Warm-up requests: a server runs them after it loads a model and before it takes traffic."""

import pathlib
from collections.abc import Collection

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

# File name that TensorFlow Serving looks for in `assets.extra`.
WARMUP_FILE = 'tf_serving_warmup_requests'
TEXTS = (
    '',
    'A short text.',
    'Un texto algo más largo, que se lee de izquierda a derecha y de derecha a izquierda.',
)

# Signatures that take texts, with their other inputs. `explain` is left out: it is for people, and a version would load
# more slowly.
WARMUP_INPUTS: dict[str, dict[str, object]] = {
    'serving_default': {},
    'sentiment_course': {},
    'score': {},
    'embed': {},
    'next_word': {'k': 5},
    'generate': {
        'length': 3,
        'temperature': 1.0,
        'top_p': 0.9,
        'top_k': 0,
        'no_repeat': 0,
        'seed': 0,
    },
}


def write_warmup_requests(folder: str, signatures: Collection[str]) -> None:
    """Writes `assets.extra/tf_serving_warmup_requests`, TFRecords of PredictionLog.

    Args:
        folder: folder of the SavedModel.
        signatures: names of its signatures; unknown ones are skipped.
    """
    extra = pathlib.Path(folder) / 'assets.extra'
    extra.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / WARMUP_FILE)) as writer:
        # A batch of one text and a batch of several can take different paths through the graph.
        for texts in (TEXTS[:1], TEXTS):
            for signature, other_inputs in WARMUP_INPUTS.items():
                if signature not in signatures:
                    continue
                # A model of characters refuses prompts with characters that it has never seen.
                batch = [''] * len(texts) if signature == 'generate' else list(texts)
                writer.write(_predict_log(signature, {'text': batch, **other_inputs}).SerializeToString())
            if 'classify' in signatures:
                writer.write(_classify_log(texts).SerializeToString())


def _predict_log(signature: str, inputs: dict[str, object]) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def _classify_log(texts: tuple[str, ...]) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    request = log.classify_log.request
    request.model_spec.signature_name = 'classify'
    for text in texts:
        example = request.input.example_list.examples.add()
        example.features.feature['text'].bytes_list.value.append(text.encode())
    return log
