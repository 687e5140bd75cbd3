"""Pre-trained vectors in the network: training, words that are only read, folding, and the exported model."""

import json
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.conftest import CONFIG, corpus, transform_rows, write_vocabulary
from tests.models.restored import require_signature_values
from vaiven.configuration import ConfigError
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.losses import cross_entropy, draw_candidates
from vaiven.models.network.network import Network
from vaiven.models.network.objective import JointNetwork
from vaiven.models.text.subwords import assign_subwords
from vaiven.models.text.tokenization import SPECIAL_TOKENS, UNK_ID
from vaiven.models.text.vectors import TokenVectors, assign_vectors, read_vectors, vocabulary_sizes
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.hardware import inference_network
from vaiven.models.training.language import train_language
from vaiven.models.training.trainer import run_fn

pytestmark = pytest.mark.slow

VOCABULARY = [*SPECIAL_TOKENS, 'maravillosa', 'perro', 'sol', 'luna']
VECTORS = TokenVectors(
    np.concatenate([np.zeros((5, 3)), np.random.default_rng(1).normal(size=(3, 3))]).astype('float32'), 2, {}
)
IDS = np.array([[2, 4, 6, 7, 5, 3], [2, 5, 1, 3, 0, 0]])
SIZES = {'units': 4, 'embedding_size': 8, 'subword_buckets': 64, 'wide_ngrams': 3}


def network_of(kind=Network, vectors=VECTORS, config=None, **options):
    network = kind(
        NetworkConfig(**SIZES, **(config or {})), **vocabulary_sizes(VOCABULARY, vectors), **options, seed=1
    )
    network(IDS)
    assign_subwords(network, VOCABULARY)
    assign_vectors(network, vectors)
    return network


def test_read_only_words_start_with_their_subwords_and_their_vector_alone():
    network = network_of()
    table = np.array(network.embedding.embeddings)
    assert table.shape == (8, 8)
    assert not table[6:].any()
    assert table[:6].all()
    vectors = np.array(network.word_vectors.vectors)
    # All files are scaled to the same size, and zeros stay zeros.
    assert np.sqrt(np.mean(vectors[5:] ** 2)) == pytest.approx(0.1)
    np.testing.assert_allclose(
        vectors[5:] / vectors[5, 0], VECTORS.table[5:] / VECTORS.table[5, 0], rtol=1e-5
    )
    assert not vectors[:5].any()
    found = np.array(network.token_vectors(np.array([6])))[0]
    expected = np.array(network.subwords(np.array([6])))[0] + vectors[6] @ np.array(
        network.word_vectors.projection
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_vectors_the_network_is_the_same_as_ever():
    network = network_of(vectors=None)
    assert network.word_vectors is None
    assert network.vocabulary_size == network.embedding.input_dim == len(VOCABULARY)
    np.testing.assert_array_equal(network.as_targets(IDS), IDS)


@pytest.mark.parametrize('candidates', [0, 3])
def test_a_read_only_word_is_predicted_as_unknown(candidates):
    network = network_of()
    seed = keras.random.SeedGenerator(1)
    sampled = draw_candidates(network, candidates, seed)
    projected = np.random.default_rng(2).normal(size=(1, 5, 8)).astype('float32')

    def loss(ids):
        targets = np.array([ids], 'int32')
        return float(cross_entropy(network, projected, targets, network.token_vectors(targets), sampled))

    assert loss([4, 6, 7, 5, 3]) == pytest.approx(loss([4, UNK_ID, UNK_ID, 5, 3]), abs=1e-6)
    assert loss([4, 6, 7, 5, 3]) != pytest.approx(loss([4, 4, 4, 5, 3]), abs=1e-3)
    assert network.token_logits(projected).shape == (1, 5, 6)


@pytest.mark.parametrize(('setting', 'moves'), [('frozen', False), ('trained', True)])
def test_training_changes_the_vectors_only_if_it_should(setting, moves):
    network = network_of(
        JointNetwork,
        config={'vectors': setting, 'embedding_dropout': 0.1},
        language_weight=0.5,
        softmax_candidates=3,
    )
    before = [np.array(weight) for weight in (network.word_vectors.vectors, network.word_vectors.projection)]
    network.compile(optimizer=keras.optimizers.Adam(0.01), run_eagerly=True)
    network.fit(IDS, np.array([1.0, 0.0]), verbose=0)
    after = [np.array(weight) for weight in (network.word_vectors.vectors, network.word_vectors.projection)]
    assert (not np.array_equal(before[0], after[0])) == moves
    assert not np.array_equal(before[1], after[1])


def test_folding_vectors_into_the_embedding_changes_no_output():
    network = network_of()
    plain = inference_network(network)
    assert plain.word_vectors is None
    assert (plain.vocabulary_size, plain.read_only) == (6, 2)
    before, after = network(IDS), plain(IDS)
    for name in before:
        np.testing.assert_allclose(np.array(after[name]), np.array(before[name]), atol=1e-6)
    np.testing.assert_allclose(
        np.array(plain.token_logits(after['forward'])),
        np.array(network.token_logits(before['forward'])),
        atol=1e-6,
    )
    assert (
        plain.count_params() == inference_network(network_of(vectors=None)).count_params() - 2
    )  # softmax bias
    assert np.abs(np.array(network.word_vectors(IDS[0, 2:3]))).max() > 0.01


def test_one_hot_inputs_have_no_vectors_and_an_unknown_setting_is_refused():
    network = Network(NetworkConfig(units=4, embedding_size=0, wide_ngrams=0), 5, vector_values=3)
    assert network.word_vectors is None
    with pytest.raises(ConfigError, match=r'network\.vectors must be frozen or trained'):
        NetworkConfig(vectors='thawed')


def test_the_language_task_reads_vectors(tmp_path):
    text = np.array([4, 6, 5, 7] * 60)
    config = NetworkConfig(**{**SIZES, 'wide_ngrams': 0}, dropout=0.0, token_dropout=0.0)
    training = TrainingConfig(task='language', window=8, batch_size=4, epochs=2, learning_rate=0.02)
    network = train_language(config, training, VOCABULARY, text, text[:40], vectors=VECTORS)
    assert network.read_only == 2
    assert np.isfinite(np.array(network(IDS)['forward'])).all()


def test_the_file_of_vectors_is_read_as_it_was_written(tmp_path):
    path = tmp_path / 'vectors.npz'
    assert read_vectors(str(path)) is None
    record = {'file': 'año.txt', 'found': 3}
    path.write_bytes(TokenVectors(VECTORS.table, 2, record).to_bytes())
    vectors = read_vectors(str(path))
    np.testing.assert_array_equal(vectors.table, VECTORS.table)
    assert (vectors.read_only, vectors.record) == (2, record)


GOOD = {'wonderful', 'maravillosa', 'loved', 'encantó', 'great', 'moving', 'bonita'}
BAD = {'terrible', 'horrible', 'hated', 'aburrió', 'bad', 'boring', 'fea'}


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """A model whose vectors say which words are good and bad, also of two words that no text contains."""
    folder = tmp_path_factory.mktemp('vectors')
    rows = [(text, [] if label is None else [label]) for text, label in corpus()]
    config = {**CONFIG, 'network': {**CONFIG['network'], 'subword_buckets': 64, 'wide_ngrams': 0}}
    vocabulary = [*write_vocabulary(folder, config, [text for text, _ in rows]), 'superb', 'dreadful']
    (folder / 'vocab.txt').write_text('\n'.join(vocabulary) + '\n', 'utf-8')
    meaning = {**dict.fromkeys([*GOOD, 'superb'], 1.0), **dict.fromkeys([*BAD, 'dreadful'], -1.0)}
    table = np.array([[meaning.get(word, 0.0), 0.1] for word in vocabulary], 'float32')
    transform = transform_rows(folder, config, rows)
    record = {'file': 'meaning.txt', 'sha256': '1f', 'found': len(vocabulary) - 6}
    with open(f'{transform}/vectors.npz', 'wb') as file:
        file.write(TokenVectors(table, 2, record).to_bytes())
    files = [str(folder / 'rows-00000-of-00001.gz')]
    run_fn(
        types.SimpleNamespace(
            custom_config={'config': json.dumps(config)}, transform_output=transform, train_files=files,
            eval_files=files, serving_model_dir=str(folder / 'serving'), model_run_dir=str(folder / 'run'),
            hyperparameters=None,
        )
    )  # fmt: skip
    return folder / 'serving', vocabulary


def test_a_served_model_understands_words_that_only_the_vectors_know(exported):
    served = tf.saved_model.load(str(exported[0])).signatures
    texts = ['superb', 'dreadful', 'a superb film', 'a dreadful film']
    good, bad, good_film, bad_film = served['serving_default'](text=tf.constant(texts))['probability'].numpy()
    assert good > 0.5 > bad
    assert good_film > bad_film + 0.2


def test_a_served_model_never_predicts_words_that_it_only_reads(exported):
    path, vocabulary = exported
    served = tf.saved_model.load(str(path)).signatures
    predicted = len(vocabulary) - len(SPECIAL_TOKENS) - 2
    text = tf.constant(['a superb'])
    words = served['next_word'](text=text, k=tf.constant(predicted))['tokens'].numpy()[0]
    assert not {b'superb', b'dreadful'} & set(words)
    scores = served['score'](text=tf.constant(['a superb', 'a dreadful', 'a zzz']))['log_probability'].numpy()
    assert np.isfinite(scores).all()
    # Each is `[UNK]` as a target; as an input they differ.
    values = served['score'](text=tf.constant(['superb', 'zzz']))['token_values'].numpy()
    assert values[0] == pytest.approx(values[2], abs=1e-5)
    generated = served['generate'](
        text=tf.constant(['superb superb superb']), length=tf.constant(20), temperature=tf.constant(1.0),
        top_p=tf.constant(1.0), top_k=tf.constant(0), no_repeat=tf.constant(2), seed=tf.constant(1),
    )['generated'].numpy()[0]  # fmt: skip
    assert b'superb' not in generated
    assert b'dreadful' not in generated


def test_a_model_with_words_that_it_only_reads_is_restored(exported):
    require_signature_values(exported[0])


def test_the_model_records_the_file_of_its_vectors_and_does_not_contain_it(exported):
    path, vocabulary = exported
    recorded = json.loads((path / 'assets.extra' / 'vaiven.json').read_text('utf-8'))
    assert recorded['vectors'] == {'file': 'meaning.txt', 'sha256': '1f', 'found': len(vocabulary) - 6}
    shapes = dict(tf.train.list_variables(str(path / 'variables' / 'variables')))
    names = [name for name, shape in shapes.items() if list(shape) == [len(vocabulary), 2]]
    assert not names
