"""A model with vaiven's signatures that needs no training, and a server that serves it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving_client.classifiers import SPECS, make
from vaiven.serving.client import Client
from vaiven.serving.server.server_process import ServerProcess

# Made in a process of its own, so that no test process needs TensorFlow for it.
MAKE_MODEL = '''
import sys
import tensorflow as tf

TEXT = tf.TensorSpec([None], tf.string)
NUMBERS = tf.int8, tf.int32, tf.int64, tf.uint8, tf.float32, tf.float64, tf.bool


class Reviews(tf.Module):
    """A text is as good as the share of its letters that are g; the version is told by a constant."""

    def __init__(self, version):
        self.version = tf.Variable(float(version))

    @tf.function(input_signature=[TEXT])
    def sentiment(self, text):
        letters = tf.cast(tf.strings.length(text), tf.float32)
        others = tf.cast(tf.strings.length(tf.strings.regex_replace(text, 'g', '')), tf.float32)
        probability = tf.math.divide_no_nan(letters - others, letters)
        label = tf.where(probability > 0.5, 'positive', 'negative')
        return {'probability': probability, 'label': label}

    @tf.function(input_signature=[TEXT])
    def course(self, text):
        tokens = tf.strings.split(text)
        return {
            'tokens': tokens.values,
            'probabilities': self.sentiment(tokens.values)['probability'],
            'row_lengths': tf.cast(tokens.row_lengths(), tf.int32),
        }

    @tf.function(input_signature=[TEXT])
    def explain(self, text):
        words = tf.strings.split(text)
        answer = self.sentiment(text)
        lengths = tf.cast(words.row_lengths(), tf.int32)
        values = self.sentiment(words.values)['probability'] - 0.5
        return {
            'label': answer['label'],
            'score': tf.maximum(answer['probability'], 1 - answer['probability']),
            'words': words.values, 'word_values': values, 'word_row_lengths': lengths,
            'ngrams': tf.strings.join(['<', words.values]), 'ngram_values': values / 2, 'ngram_row_lengths': lengths,
        }

    @tf.function(input_signature=[TEXT, tf.TensorSpec([], tf.int32)])
    def next_word(self, text, k):
        rows = tf.shape(text)[0]
        tokens = tf.strings.as_string(tf.range(k))
        values = -tf.cast(tf.range(1, k + 1), tf.float32)
        return {
            'tokens': tf.strings.join([tf.tile(text[:, None], [1, k]), tf.tile(tokens[None], [rows, 1])], '+'),
            'log_probabilities': tf.tile(values[None], [rows, 1]),
        }

    @tf.function(input_signature=[TEXT])
    def score(self, text):
        counts = tf.strings.length(text)
        return {
            'log_probability': -tf.cast(counts, tf.float32),
            'tokens': counts,
            'bits_per_character': tf.ones_like(counts, tf.float32),
            'token_row_lengths': counts,
            'token_values': -tf.cast(tf.range(tf.reduce_sum(counts)), tf.float32),
        }

    @tf.function(input_signature=[
        TEXT,
        tf.TensorSpec([], tf.int32, 'length'),
        *(tf.TensorSpec([], tf.float32, name) for name in ('temperature', 'top_p')),
        *(tf.TensorSpec([], tf.int32, name) for name in ('top_k', 'no_repeat', 'seed')),
    ])
    def generate(self, text, length, temperature, top_p, top_k, no_repeat, seed):
        """Writes what it was told, and the place of the text among the others."""
        rule = tf.debugging.Assert(top_p > 0, ['top_p must be above 0 and at most 1. Received:', top_p])
        with tf.control_dependencies([rule]):
            places = tf.strings.as_string(tf.range(tf.shape(text)[0]))
        told = [length, temperature, top_p, top_k, no_repeat, seed]
        words = [tf.strings.as_string(each, shortest=each.dtype == tf.float32) for each in told]
        return {'generated': tf.strings.join([' ñ ', tf.strings.join(words, ' '), ' ', places])}

    @tf.function(input_signature=[TEXT])
    def embed(self, text):
        length = tf.cast(tf.strings.length(text), tf.float32)
        return {'embedding': tf.stack([length, tf.ones_like(length) * self.version], 1)}

    @tf.function(input_signature=[TEXT])
    def classify(self, inputs):
        text = tf.io.parse_example(inputs, {'text': tf.io.FixedLenFeature([], tf.string)})['text']
        p = self.sentiment(text)['probability']
        return {'classes': tf.tile([['negative', 'positive']], [tf.shape(p)[0], 1]), 'scores': tf.stack([1 - p, p], 1)}

    @tf.function(input_signature=[TEXT])
    def regress(self, inputs):
        text = tf.io.parse_example(inputs, {'text': tf.io.FixedLenFeature([], tf.string)})['text']
        return {'outputs': self.sentiment(text)['probability']}

    @tf.function(input_signature=[tf.TensorSpec(None, dtype, dtype.name) for dtype in NUMBERS])
    def numbers(self, *values):
        """What it was given, in the dtypes that it wants."""
        return {dtype.name + '_again': tf.identity(value) for dtype, value in zip(NUMBERS, values)}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.int64, 'n')])
    def count(self, n):
        return {'again': n}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float64, 'n')])
    def count_by_halves(self, n):
        return {'again': n}


for version, folder in zip((1, 2, 3), sys.argv[1:]):
    module = Reviews(version)
    tf.saved_model.save(module, folder, signatures={
        'serving_default': module.sentiment, 'sentiment_course': module.course, 'explain': module.explain,
        'next_word': module.next_word, 'score': module.score,
        'embed': module.embed, 'generate': module.generate, 'classify': module.classify,
        'regress': module.regress, 'numbers': module.numbers,
        'count': module.count if version < 3 else module.count_by_halves,
    })
    from tensorflow.core.protobuf import saved_model_pb2
    path = folder + '/saved_model.pb'
    model = saved_model_pb2.SavedModel.FromString(open(path, 'rb').read())
    for name in ('classify', 'regress'):
        model.meta_graphs[0].signature_def[name].method_name = f'tensorflow/serving/{name}'
    open(path, 'wb').write(model.SerializeToString())
'''


@pytest.fixture(scope='session')
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A serving folder with versions 1, 2 and 3, whose embeddings end in the version; copy it to change it."""
    base = tmp_path_factory.mktemp('pushed') / 'vaiven-runs' / 'reviews' / 'serving' / 'reviews'
    subprocess.run(
        [sys.executable, '-c', MAKE_MODEL, *(str(base / str(version)) for version in (1, 2, 3))],
        check=True,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
    )
    return base


@pytest.fixture(scope='session')
def server(pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all that only ask; it serves versions 1 and 2."""
    base = tmp_path_factory.mktemp('served') / 'reviews'
    for version in ('1', '2'):
        shutil.copytree(pushed / version, base / version)
    config = base.parent / 'models.config'
    config.write_text(
        f'model_config_list {{ config {{ name: "reviews" base_path: "{base}" model_platform: "tensorflow" '
        'model_version_policy { all {} } } }'
    )
    with ServerProcess('reviews', base, flags={'model_config_file': config}) as running:
        yield running


@pytest.fixture(scope='session')
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base path for each model of `classifiers.SPECS`; change none."""
    root = tmp_path_factory.mktemp('classifiers')
    make(root)
    return root


@pytest.fixture(scope='session')
def classifier_server(classifiers: Path) -> Iterator[ServerProcess]:
    """One server of all models of `classifiers.SPECS`."""
    models = ' '.join(
        f'config {{ name: "{name}" base_path: "{classifiers / name}" model_platform: "tensorflow" }}'
        for name in SPECS
    )
    config = classifiers / 'models.config'
    config.write_text(f'model_config_list {{ {models} }}')
    with ServerProcess('topics', classifiers / 'topics', flags={'model_config_file': config}) as running:
        yield running


@pytest.fixture(scope='session', params=['grpc', 'rest'])
def client(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Client]:
    """A client for each way to the server."""
    with Client(server.grpc_address if request.param == 'grpc' else server.rest_url) as made:
        yield made


@pytest.fixture(scope='session')
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`server.pem` for localhost, signed by itself, and its key; `client.pem` and its key likewise."""
    folder = tmp_path_factory.mktemp('certificates')
    for name in ('server', 'client'):
        command = [
            'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
            '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
            '-keyout', f'{folder}/{name}.key', '-out', f'{folder}/{name}.pem',
        ]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip('needs the command openssl')
    return folder
