import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.models.conftest import CONFIG, corpus
from vaiven.configuration import from_dict
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.trainer import train

pytestmark = pytest.mark.slow

TEXTS = ('a wonderful film', 'una película horrible', '', 'nin\u0303o 👍🏽 שלום', b'\xff')


@pytest.fixture(scope='module')
def served(trained):
    return tf.saved_model.load(trained.folder).signatures


def retrain(trained, **changes):
    training = from_dict(TrainingConfig, {**CONFIG['training'], 'language_epochs': 0, 'epochs': 2, **changes})
    vocabulary = [str(number) for number in range(60)]
    files = trained.arguments.train_files
    return train(from_dict(NetworkConfig, CONFIG['network']), training, vocabulary, files, files)


def saved_model(trained) -> saved_model_pb2.SavedModel:
    return saved_model_pb2.SavedModel.FromString(pathlib.Path(trained.folder, 'saved_model.pb').read_bytes())


def test_the_sentiment_is_learned(trained, served):
    rows = [(text, label) for text, label in corpus() if label is not None]
    labels = served['serving_default'](text=tf.constant([text for text, _ in rows]))['label'].numpy()
    right = np.mean(
        [(got == b'positive') == bool(label) for got, (_, label) in zip(labels, rows, strict=True)]
    )
    assert right > 0.95


def test_progress_has_a_line_per_epoch_with_accuracy_and_perplexity(trained):
    epochs = [line for line in trained.lines if line.startswith('epoch') and 'accuracy' in line]
    assert len(epochs) == CONFIG['training']['epochs']
    assert 'perplexity' in epochs[0]
    assert 'nan' not in ' '.join(epochs)


def test_one_text_and_a_batch_get_the_same_answer(served):
    together = served['serving_default'](text=tf.constant(TEXTS))['probability'].numpy()
    alone = [served['serving_default'](text=tf.constant([text]))['probability'].numpy()[0] for text in TEXTS]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_texts_of_0_to_100000_tokens_are_served(served):
    long = 'wonderful ' * 100_000
    cut = 'wonderful ' * CONFIG['text']['max_tokens']
    found = served['serving_default'](text=tf.constant(['', 'wonderful', long, cut]))['probability'].numpy()
    assert np.isfinite(found).all()
    assert found[2] == pytest.approx(found[3], abs=1e-6)


def test_classify_gives_both_classes_in_serving_form(served):
    example = tf.train.Example()
    example.features.feature['text'].bytes_list.value.append('una película horrible'.encode())
    answer = served['classify'](inputs=tf.constant([example.SerializeToString()]))
    probability = served['serving_default'](text=tf.constant(['una película horrible']))[
        'probability'
    ].numpy()[0]
    assert answer['classes'].numpy().tolist() == [[b'negative', b'positive']]
    np.testing.assert_allclose(answer['scores'].numpy(), [[1 - probability, probability]], atol=1e-6)


def test_next_words_are_sorted_known_and_below_certainty(trained, served):
    answer = served['next_word'](text=tf.constant(TEXTS), k=tf.constant(4))
    values = answer['log_probabilities'].numpy()
    assert answer['tokens'].shape == (len(TEXTS), 4)
    assert (np.diff(values, axis=1) <= 0).all()
    assert (np.exp(values).sum(axis=1) < 1).all()
    assert not any(token.startswith(b'[') for token in answer['tokens'].numpy().flat)


@pytest.mark.parametrize('k', [0, -3, 10**9])
def test_an_impossible_k_is_refused_with_the_rule(served, k):
    with pytest.raises(tf.errors.InvalidArgumentError, match='k must lie between 1 and'):
        served['next_word'](text=tf.constant(['x']), k=tf.constant(k))


def test_score_adds_up_from_its_tokens(served):
    answer = {name: value.numpy() for name, value in served['score'](text=tf.constant(TEXTS)).items()}
    parts = np.split(answer['token_values'], np.cumsum(answer['token_row_lengths'])[:-1])
    np.testing.assert_allclose([part.sum() for part in parts], answer['log_probability'], rtol=1e-5)
    assert answer['tokens'].tolist() == answer['token_row_lengths'].tolist()
    assert answer['tokens'][2] == 1  # of an empty text, its end is predicted
    length = len('a wonderful film') + 1
    assert answer['bits_per_character'][0] == pytest.approx(
        -answer['log_probability'][0] / math.log(2) / length, rel=1e-5
    )


def test_score_reads_the_whole_text_and_refuses_one_that_is_far_too_long(served):
    longer = CONFIG['text']['max_tokens'] + 36
    answer = served['score'](text=tf.constant(['film', 'film ' * longer]))
    assert answer['tokens'].numpy().tolist() == [2, longer + 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match='to score must have at most 100000 tokens'):
        served['score'](text=tf.constant(['film', 'film ' * 100_001]))


def test_score_and_next_word_return_the_same_probability(served):
    words = served['next_word'](text=tf.constant(['a wonderful']), k=tf.constant(30))
    place = words['tokens'].numpy()[0].tolist().index(b'film')
    values = served['score'](text=tf.constant(['a wonderful film']))['token_values'].numpy()
    assert values[2] == pytest.approx(words['log_probabilities'].numpy()[0][place], abs=1e-5)


def test_embedding_tells_texts_apart(served):
    embedding = served['embed'](text=tf.constant(TEXTS))['embedding'].numpy()
    assert embedding.shape == (len(TEXTS), 6 * CONFIG['network']['units'])
    assert np.abs(embedding[0] - embedding[1]).max() > 0.01


def test_no_texts_get_no_answers(served):
    none = tf.constant([], tf.string)
    assert served['serving_default'](text=none)['probability'].shape == (0,)
    assert served['score'](text=none)['token_values'].shape == (0,)
    assert served['embed'](text=none)['embedding'].shape[0] == 0
    assert served['next_word'](text=none, k=tf.constant(2))['tokens'].shape == (0, 2)


def test_transform_features_returns_the_inputs_of_the_network(served):
    example = tf.train.Example()
    example.features.feature['text'].bytes_list.value.append(b'a wonderful film')
    example.features.feature['label'].int64_list.value.append(1)
    answer = served['transform_features'](examples=tf.constant([example.SerializeToString()]))
    assert answer['label'].numpy().tolist() == [1]
    ids = answer['ids'].numpy()[0]
    assert (ids[0], ids[-1], len(ids)) == (2, 3, 5)


def test_the_exported_graph_holds_no_gpu_only_operation(trained):
    saved = saved_model(trained)
    graph = saved.meta_graphs[0].graph_def
    operations = {node.op for node in graph.node} | {
        node.op for function in graph.library.function for node in function.node_def
    }
    assert 'MatMul' in operations
    assert not [name for name in operations if 'cudnn' in name.lower()]


def test_the_model_contains_its_configuration_and_the_classify_method(trained):
    assert json.loads(pathlib.Path(trained.folder, 'assets.extra', 'vaiven.json').read_text()) == CONFIG
    saved = saved_model(trained)
    methods = {name: s.method_name for name, s in saved.meta_graphs[0].signature_def.items()}
    assert methods['classify'] == 'tensorflow/serving/classify'
    assert methods['serving_default'] == 'tensorflow/serving/predict'


def test_the_vocabulary_is_part_of_the_model(trained, tmp_path):
    """A copy elsewhere answers after the place where it was made is out of reach."""
    moved = tmp_path / 'moved'
    subprocess.run(['cp', '-r', trained.folder, moved], check=True)
    code = f'import tensorflow as tf, tensorflow_text; m = tf.saved_model.load({str(moved)!r}); ' + (
        'print(m.signatures["serving_default"](text=tf.constant(["a wonderful film"]))["label"].numpy()[0].decode())'
    )
    hidden = trained.folder + '.hidden'
    os.rename(trained.folder, hidden)
    try:
        answer = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    finally:
        os.rename(hidden, trained.folder)
    assert answer.stdout.split()[-1:] == ['positive'], answer.stderr[-500:]


def test_warmup_records_call_every_signature_of_users(trained):
    from tensorflow_serving.apis import prediction_log_pb2

    names = []
    for record in tf.data.TFRecordDataset(f'{trained.folder}/assets.extra/tf_serving_warmup_requests'):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.classify_log.request if log.HasField('classify_log') else log.predict_log.request
        names.append(request.model_spec.signature_name)
    expected = {'serving_default', 'classify', 'sentiment_course', 'next_word', 'score', 'embed', 'generate'}
    assert set(names) == expected


def test_two_trainings_with_one_seed_give_the_same_weights(trained):
    for one, other in zip(retrain(trained).get_weights(), retrain(trained).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_nan_loss_stops_the_training_and_names_the_step(trained):
    with pytest.raises(TrainingError, match=r'NaN or infinite at step \d+'):
        retrain(trained, learning_rate=1e30, clip_norm=1e30)
