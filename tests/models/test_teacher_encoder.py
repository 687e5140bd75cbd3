"""The encoder of a teacher: its values, its tokenizer and its checkpoints."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.models.tiny_checkpoint import VOCABULARY, write_checkpoint
from vaiven.components.teacher.checkpoints import find_checkpoint
from vaiven.components.text_example_gen.errors import DownloadError
from vaiven.models.teacher.checkpoint import read_encoder
from vaiven.models.teacher.errors import CheckpointFolderError
from vaiven.models.teacher.wordpiece import WordPiece

SENTENCES = ['This is an example sentence', 'Each sentence is converted']
# The first of the 384 numbers that the card of all-MiniLM-L6-v2 shows for them. KerasHub 0.32 agrees to 3e-4: it
# approximates GELU.
EMBEDDINGS = [
    [6.7657e-02, 6.3496e-02, 4.8713e-02, 7.9305e-02, 3.7448e-02, 2.6528e-03, 3.9375e-02, -7.0984e-03],
    [8.6439e-02, 1.0276e-01, 5.3946e-03, 2.0444e-03, -9.9633e-03, 2.5386e-02, 4.9287e-02, -3.0627e-02],
]


@pytest.fixture(scope='module')
def minilm() -> Path:
    try:
        return find_checkpoint('minilm')
    except DownloadError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_the_embeddings_are_those_of_the_card_of_minilm(minilm: Path) -> None:
    ids = WordPiece(minilm, 64)(tf.constant(SENTENCES)).to_tensor()
    vectors = read_encoder(minilm)(ids).numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[:, :8], EMBEDDINGS, atol=6e-6)


def test_the_ids_are_those_of_the_tokenizer_of_bert(tmp_path: Path) -> None:
    tokenizer = WordPiece(write_checkpoint(tmp_path), 8)
    texts = ['Good films!', '', 'The PLÓT was badly\tnot it', '電影 😀', 'a ' * 50]
    tokens = [[VOCABULARY[number] for number in row] for row in tokenizer(tf.constant(texts)).to_list()]
    assert tokens == [
        ['[CLS]', 'good', 'film', '##s', '!', '[SEP]'],
        ['[CLS]', '[SEP]'],
        ['[CLS]', 'the', 'plot', 'was', 'bad', '##ly', 'not', '[SEP]'],
        ['[CLS]', '[UNK]', '[UNK]', '[UNK]', '[SEP]'],
        ['[CLS]', *['a'] * 6, '[SEP]'],
    ]


def test_a_text_has_the_same_vector_alone_and_in_a_batch_with_longer_ones(tmp_path: Path) -> None:
    encoder, tokenizer = (
        kind(write_checkpoint(tmp_path)) for kind in (read_encoder, lambda f: WordPiece(f, 32))
    )
    ids = tokenizer(tf.constant(['good film', 'the plot was not very good, it was a dull film', '']))
    together = encoder(ids.to_tensor()).numpy()
    alone = [encoder(row[None]).numpy()[0] for row in ids]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.isfinite(together).all()


@pytest.mark.parametrize(('prefix', 'older_names'), [('bert.', False), ('', True)], ids=['prefix', 'gamma'])
def test_older_files_name_the_same_weights_otherwise(tmp_path: Path, prefix: str, older_names: bool) -> None:
    ids = np.array([[2, 4, 8, 3]])
    expected = read_encoder(write_checkpoint(tmp_path / 'new'))(ids)
    folder = write_checkpoint(tmp_path / 'old', prefix=prefix, older_names=older_names)
    np.testing.assert_array_equal(read_encoder(folder)(ids), expected)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (write_checkpoint(tmp_path) / 'model.safetensors').unlink()
    with pytest.raises(CheckpointFolderError, match=r'Received: no model\.safetensors'):
        read_encoder(tmp_path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'model_type': 'roberta'}, 'model_type must be bert. Received: roberta'),
        ({'hidden_act': 'relu'}, 'hidden_act must be gelu. Received: relu'),
        ({'hidden_size': 32}, 'do not fit each other'),
        ({'num_hidden_layers': 3}, r'has no weights named encoder\.layer\.2'),
        ({'hidden_size': None}, 'is not the configuration of an encoder'),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused_in_one_line(
    tmp_path: Path, change: dict, message: str
) -> None:
    path = write_checkpoint(tmp_path) / 'config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointFolderError, match=message) as caught:
        read_encoder(tmp_path)
    assert '\n' not in str(caught.value)


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (write_checkpoint(tmp_path) / 'model.safetensors').write_bytes(b'\x10')
    with pytest.raises(CheckpointFolderError, match='cannot be read') as caught:
        read_encoder(tmp_path)
    assert '\n' not in str(caught.value)


def test_frozen_layers_do_not_train(tmp_path: Path) -> None:
    encoder = read_encoder(write_checkpoint(tmp_path))
    encoder.freeze(0)
    assert len(encoder.trainable_weights) == len(encoder.weights) - 1
    assert not encoder.token_embedding.trainable_weights
    encoder.freeze(1)
    trained = [id(weight) for weight in encoder.layers[1].weights]
    assert [id(weight) for weight in encoder.trainable_weights] == trained
