"""A small SavedModel, and a server that serves it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_clients import Grpc, Rest

from vaiven.serving.server.server_process import ServerProcess

# Made in a process of its own, so that no test process needs TensorFlow for it.
MAKE_MODEL = '''
import sys
import tensorflow as tf

class Half(tf.Module):
    """x / 2 + the version's number, and signatures of every form."""

    def __init__(self, offset):
        self.offset = tf.Variable(float(offset))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def half(self, x):
        return {'y': x / 2 + self.offset}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def upper(self, text):
        return {'upper': tf.strings.upper(text), 'raw_bytes': text}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int64)])
    def add(self, matrix, number):
        return {'sum': matrix + tf.cast(number, tf.int32), 'total': tf.reduce_sum(matrix)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def classify(self, inputs):
        x = tf.io.parse_example(inputs, {'x': tf.io.FixedLenFeature([], tf.float32, 0.0)})['x']
        names = tf.tile([['low', 'high']], [tf.shape(x)[0], 1])
        return {'classes': names, 'scores': tf.stack([1 - x, x], 1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def regress(self, inputs):
        x = tf.io.parse_example(inputs, {'x': tf.io.FixedLenFeature([], tf.float32, 0.0)})['x']
        return {'outputs': x * 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def slow(self, seconds):
        start = tf.timestamp()
        last = tf.while_loop(
            lambda now: now < start + tf.cast(seconds[0], tf.float64), lambda now: [tf.timestamp()], [start]
        )
        return {'done': seconds + tf.cast(last[0] * 0, tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def rows(self, number):
        # Without a loop; what it costs depends on the first number.
        values = tf.random.uniform([number[0], 1000])
        for _ in range(20):
            values = tf.sin(values)
        return {'mean': tf.reduce_mean(values), 'number': number}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float16), tf.TensorSpec([None], tf.bool)])
    def types(self, half, flag):
        return {'half': half, 'flag': tf.logical_not(flag)}

from tensorflow.core.protobuf import saved_model_pb2

for folder, offset in zip(sys.argv[1:], (2, 3)):
    module = Half(offset)
    tf.saved_model.save(module, folder, signatures={
        'serving_default': module.half, 'upper': module.upper, 'add': module.add,
        'classify': module.classify, 'regress': module.regress, 'slow': module.slow, 'types': module.types,
        'rows': module.rows,
    })
    # tf.Module cannot say that a signature is for Classify or Regress; the file can.
    path = folder + '/saved_model.pb'
    model = saved_model_pb2.SavedModel.FromString(open(path, 'rb').read())
    for name in ('classify', 'regress'):
        model.meta_graphs[0].signature_def[name].method_name = 'tensorflow/serving/' + name
    open(path, 'wb').write(model.SerializeToString())
'''

# As models come that are not made by `tf.saved_model.save` from functions of plain TensorFlow.
MAKE_OTHERS = """
import os
import sys
import tensorflow as tf
import tensorflow_text as text

root = sys.argv[1]
v1 = tf.compat.v1

# A graph of TensorFlow 1 with a variable, a lookup table that an initialiser fills, and a scalar input.
with tf.Graph().as_default(), v1.Session() as session:
    x = v1.placeholder(tf.float32, [None], 'x')
    factor = v1.placeholder_with_default(tf.constant(1.0), [], 'factor')
    weight = v1.get_variable('weight', initializer=3.0)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(['a', 'b'], [1, 2]), -1)
    word = v1.placeholder(tf.string, [None], 'word')
    session.run([v1.global_variables_initializer(), v1.tables_initializer()])
    info = v1.saved_model.build_tensor_info
    signature = v1.saved_model.build_signature_def
    predict = 'tensorflow/serving/predict'
    builder = v1.saved_model.builder.SavedModelBuilder(root + '/tf1/1')
    builder.add_meta_graph_and_variables(
        session, ['serve', 'cpu'],
        {
            'serving_default': signature({'x': info(x)}, {'y': info(x * weight)}, predict),
            'scaled': signature({'x': info(x), 'factor': info(factor)}, {'y': info(x * factor)}, predict),
            'number': signature({'word': info(word)}, {'number': info(table.lookup(word))}, predict),
        },
        main_op=v1.tables_initializer(),
    )
    builder.add_meta_graph(['serve'], {'serving_default': signature({'x': info(x)}, {'y': info(-x)}, predict)})
    builder.save()

class Words(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def words(self, texts):
        found = text.WhitespaceTokenizer().tokenize(text.case_fold_utf8(texts))
        return {'words': found.to_tensor(''), 'count': found.row_lengths()}

words = Words()
tf.saved_model.save(words, root + '/words/1', signatures=words.words)

class Shapeless(tf.Module):
    # Inputs of any rank, and an output that no input changes.
    def __init__(self):
        self.two, self.three = tf.Variable(2.0), tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def scaled(self, x):
        return {'y': self.two * self.three * x}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def constant(self, x):
        return {'y': 2.0}

shapeless = Shapeless()
tf.saved_model.save(
    shapeless, root + '/shapeless/00000123',
    signatures={'serving_default': shapeless.scaled, 'constant': shapeless.constant},
)

class Lite(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32), tf.TensorSpec([None, 2], tf.float32)])
    def add(self, a, b):
        return {'sum': a + b, 'product': a * b}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def double(self, number):
        return {'twice': number + number}

lite = Lite()
for name, keys in (('one', ['serving_default']), ('two', ['serving_default', 'double'])):
    folder = f'{root}/lite-{name}/1'
    functions = {'serving_default': lite.add, 'double': lite.double}
    tf.saved_model.save(lite, folder, signatures={key: functions[key] for key in keys})
    try:
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=keys)
        data = converter.convert()
    except Exception as error:
        open(root + '/no-converter', 'w').write(repr(error))
        break
    open(folder + '/model.tflite', 'wb').write(data)
    os.unlink(folder + '/saved_model.pb')
else:
    # SignatureDefs in the metadata, and an operation that TensorFlow Lite has not.
    import flatbuffers
    from flatbuffers import flexbuffers
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow.lite.python import schema_py_generated as schema

    def declare(model_data, signatures):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model_data, 0))
        builder = flexbuffers.Builder()
        with builder.Map():
            for key in sorted(signatures):
                builder.Key(key)
                # As a string of C++, which need not be text.
                data = signatures[key].SerializeToString()
                builder._WriteBlob(data, append_zero=True, type_=flexbuffers.Type.STRING)
        buffer, metadata = schema.BufferT(), schema.MetadataT()
        buffer.data = bytes(builder.Finish())
        metadata.name, metadata.buffer = 'signature_defs_metadata', len(model.buffers)
        model.buffers.append(buffer)
        model.metadata = [*(model.metadata or []), metadata]
        packed = flatbuffers.Builder(1024)
        packed.Finish(model.Pack(packed), b'TFL3')
        return bytes(packed.Output())

    def described(inputs, outputs):
        signature = meta_graph_pb2.SignatureDef(method_name='tensorflow/serving/predict')
        for infos, tensors in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for alias, name in tensors.items():
                infos[alias].name, infos[alias].dtype = name, 1
                for size in (-1, 2):
                    infos[alias].tensor_shape.dim.add(size=size)
        return signature

    def of_session(build):
        with tf.Graph().as_default(), v1.Session() as session:
            converter = v1.lite.TFLiteConverter.from_session(session, *build())
            converter.allow_custom_ops = True
            return converter.convert()

    def sums():
        a, b = (v1.placeholder(tf.float32, [None, 2], name) for name in 'ab')
        return [a, b], [tf.add(a, b, 'sum'), tf.multiply(a, b, 'product')]

    def parsed():
        examples = v1.placeholder(tf.string, [None], 'examples')
        return [examples], [tf.io.parse_example(examples, {'x': tf.io.FixedLenFeature([1], tf.float32)})['x']]

    names = {
        'added': described({'left': 'a:0', 'right': 'b:0'}, {'total': 'sum'}),
        'serving_default': described({'left': 'a', 'right': 'b'}, {'total': 'sum', 'area': 'product'}),
        'twice': described({'left': 'a'}, {'total': 'sum'}),
    }
    wrong = {'serving_default': described({'left': 'c:0'}, {'total': 'sum'})}
    for name, data in {
        'declared': declare(of_session(sums), names),
        'tensors': of_session(sums),
        'unknown': declare(of_session(sums), wrong),
        'parsed': of_session(parsed),
    }.items():
        os.makedirs(f'{root}/lite-{name}/1')
        open(f'{root}/lite-{name}/1/model.tflite', 'wb').write(data)


class Odd(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def half(self, x):
        return {'y': x / 2 + 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def ragged(self, text):
        return {'words': tf.strings.split(text)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def python(self, x):
        return {'y': tf.numpy_function(lambda value: value * 2, [x], tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.dtypes.experimental.int4)])
    def int4(self, x):
        return {'y': tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.qint8)])
    def qint8(self, x):
        return {'y': tf.identity(x)}


class Big(tf.Module):
    def __init__(self):
        self.numbers = tf.Variable(tf.ones([10_000_000]))  # 40 MB

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def add(self, x):
        return {'y': x + self.numbers[0]}


big = Big()
tf.saved_model.save(big, root + '/big/1', signatures=big.add)

odd = Odd()
for folder, keys in {
    'ragged': ['ragged'], 'python': ['python'], 'mixed': ['half', 'ragged', 'python', 'int4', 'qint8'],
}.items():
    tf.saved_model.save(odd, f'{root}/{folder}/1', signatures={key: getattr(odd, key) for key in keys})
"""


def _make(code: str, *arguments: object) -> None:
    subprocess.run(
        [sys.executable, '-c', code, *map(str, arguments)],
        check=True,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
    )


@pytest.fixture(scope='session')
def other_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of base paths, each with version 1; change none.

    `tf1`, `words`, `ragged`, `python`, `mixed` and `big` (40 MB); `shapeless` (version 123); `lite-one`, `lite-two`,
    `lite-declared`, `lite-tensors`, `lite-unknown` and `lite-parsed`.
    """
    root = tmp_path_factory.mktemp('others')
    _make(MAKE_OTHERS, root)
    return root


@pytest.fixture(scope='session')
def made_models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two version folders, x / 2 + 2 and x / 2 + 3; copy them, never change them."""
    folders = [tmp_path_factory.mktemp('made') / name for name in ('plus-2', 'plus-3')]
    _make(MAKE_MODEL, *folders)
    return folders


@pytest.fixture(scope='module')
def base_path(made_models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path of the module's own with version 1."""
    base = tmp_path_factory.mktemp('models') / 'half'
    shutil.copytree(made_models[0], base / '1')
    return base


@pytest.fixture(scope='module')
def server(base_path: Path) -> Iterator[ServerProcess]:
    """One server for the module, serving `half` from `base_path`."""
    with ServerProcess('half', base_path, flags={'file_system_poll_wait_seconds': 1}) as running:
        yield running


@pytest.fixture(scope='module')
def rest(server: ServerProcess) -> Rest:
    return Rest(server.rest_url)


@pytest.fixture(scope='module')
def grpc_client(server: ServerProcess) -> Iterator[Grpc]:
    grpc_client = Grpc(server.grpc_address)
    yield grpc_client
    grpc_client.channel.close()
