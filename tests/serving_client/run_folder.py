"""What `vaiven run` leaves of two pushed versions, written by the libraries that write it there."""

import os
import subprocess
import sys
from pathlib import Path

# Version 2 was evaluated against version 1; a third model was evaluated against that, and not pushed.
MAKE_RUN = """
import sys
from pathlib import Path
import tensorflow as tf
from ml_metadata import MetadataStore, proto
from tensorflow_model_analysis.proto import metrics_for_slice_pb2 as metrics

run, name = Path(sys.argv[1]), sys.argv[2]
config = proto.ConnectionConfig()
config.sqlite.filename_uri = str(run / 'metadata.sqlite')
config.sqlite.connection_mode = 3
store = MetadataStore(config)


def kind(what, name):
    return getattr(store, f'put_{what}_type')(getattr(proto, f'{what.title()}Type')(name=name))


types = {name: kind('artifact', name) for name in ('Examples', 'Model', 'ModelEvaluation', 'PushedModel')}
names = ('TextExampleGen', 'Transform', 'Trainer', 'Evaluator', 'Pusher')
executions = {name: kind('execution', name) for name in names}
run_type = kind('context', 'pipeline_run')


def properties(message, values):
    for name, value in values.items():
        field = 'int_value' if isinstance(value, int) else 'string_value'
        setattr(message.custom_properties[name], field, value)
    return message


def event(kind, artifact, execution, *keys):
    made = proto.Event(artifact_id=artifact, execution_id=execution, type=kind)
    for key in keys:
        made.path.steps.add(key=key)
        made.path.steps.add(index=0)
    return made


def execute(context, name, inputs, output, values={}, own={}):
    '''`inputs`: artifacts by the keys under which the component takes them.'''
    [execution] = store.put_executions([properties(proto.Execution(type_id=executions[name]), own)])
    folder = run / 'artifacts' / name / output / str(execution)
    folder.mkdir(parents=True)
    artifact = properties(proto.Artifact(type_id=types[output], uri=str(folder)), values)
    [artifact] = store.put_artifacts([artifact])
    events = [event(proto.Event.INPUT, each, execution, *keys) for each, keys in inputs.items()]
    store.put_events([*events, event(proto.Event.OUTPUT, artifact, execution, 'output')])
    store.put_attributions_and_associations([], [proto.Association(context_id=context, execution_id=execution)])
    return artifact, folder


def evaluate(folder, accuracy):
    with tf.io.TFRecordWriter(str(folder / 'metrics-00000-of-00001.tfrecord')) as writer:
        for sliced in (False, True):
            message = metrics.MetricsForSlice()
            if sliced:
                message.slice_key.single_slice_keys.add(column='language', bytes_value=b'es')
            for model_name, value in (('candidate', accuracy), ('baseline', 0.1)):
                each = message.metric_keys_and_values.add()
                each.key.name, each.key.model_name = 'binary_accuracy', model_name
                each.value.double_value.value = 0.0 if sliced else value
            writer.write(message.SerializeToString())


def write_split(folder, split, rows):
    path = folder / f'Split-{split}' / 'data_tfrecord-00000-of-00001.gz'
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type='GZIP')) as writer:
        for values in rows:
            example = tf.train.Example()
            for name, value in values.items():
                feature = example.features.feature[name]
                if isinstance(value, str):
                    feature.bytes_list.value.append(value.encode())
                elif isinstance(value, float):
                    feature.float_list.value.append(value)
                else:
                    feature.int64_list.value.append(value)
            writer.write(example.SerializeToString())


before = []
for number, (version, accuracy, pushed) in enumerate(((1, 0.75, 1), (2, 0.8125, 1), (2, 0.5, 0)), 1):
    [context] = store.put_contexts([proto.Context(type_id=run_type, name=f'2026-01-0{number}T12:00:00')])
    examples, folder = execute(
        context, 'TextExampleGen', {}, 'Examples',
        {'rows': 1000 * number, 'input_fingerprint': f'sha256:{number}', 'span': 0},
        {'input_config': '{"splits": [{"name": "data-0", "pattern": "reseñas.csv"}]}'},
    )
    write_split(folder, 'test', [
        {'text': f'g{number}', 'label': 1, 'rating': 0.1, 'language': 'es'},
        {'text': 'año, "largo"\\n y malo', 'label': 0},
        *({'text': 'g' * (n + 2), 'label': 1} for n in range(20)),
        *({'text': 'b' * (n + 2), 'label': 0} for n in range(20)),
    ])
    write_split(folder, 'train', [{'text': 'one\\ttab', 'label': 1}])
    write_split(folder, 'unlabelled', [{'text': 'nobody knows'}])
    write_split(folder, 'eval', [])
    transformed, _ = execute(context, 'Transform', {examples: ['examples']}, 'Examples')
    model, _ = execute(context, 'Trainer', {transformed: ['examples']}, 'Model')
    compared = {each: ['baseline_model'] for each in before[-1:]}
    _, folder = execute(
        context, 'Evaluator', {examples: ['examples'], model: ['model'], **compared}, 'ModelEvaluation'
    )
    evaluate(folder, accuracy)
    execute(context, 'Pusher', {model: ['model']}, 'PushedModel', {
        'pushed': pushed, 'pushed_version': str(version),
        'pushed_destination': str(run / 'serving' / name / str(version)),
    })
    before.append(model)
"""


def make_run(run: Path, name: str = 'reviews') -> None:
    """Writes the metadata and the artifacts of two pushed versions below `run`; not the versions themselves."""
    subprocess.run(
        [sys.executable, '-c', MAKE_RUN, str(run), name],
        check=True,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
    )
