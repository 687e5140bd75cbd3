"""The checks of ragged tensors go, and nothing else does."""

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from vaiven.models.export.ragged_checks import drop_ragged_checks

pytestmark = pytest.mark.slow

TEXTS = ['', 'uno dos tres', '¿qué ñandú?  👍', 'שלום עולם']


class Pairs(tf.Module):
    """Pairs of words, of at most `most` texts."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int64)])
    def pairs(self, text: tf.Tensor, most: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies(
            [tf.debugging.assert_less_equal(tf.size(text, tf.int64), most, 'too many texts')]
        ):
            words = tf.strings.split(tf.identity(text))
        ragged = tf.concat([words, tf.strings.ngrams(words, 2)], axis=1)
        letters = tf.strings.unicode_split(ragged.flat_values, 'UTF-8')
        counted = tf.RaggedTensor.from_row_lengths(letters.row_lengths(), ragged.row_lengths())
        return {'pairs': ragged.to_tensor(''), 'letters': counted.to_tensor(0)}


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model as TensorFlow writes it, and without its checks."""
    before, after = (tmp_path_factory.mktemp(name) for name in ('before', 'after'))
    module = Pairs()
    for folder in (before, after):
        tf.saved_model.save(module, str(folder), signatures={'pairs': module.pairs})
    saved_model = _read(after)
    assert drop_ragged_checks(saved_model) >= 3
    (after / 'saved_model.pb').write_bytes(saved_model.SerializeToString())
    return before, after


def _read(folder: Path) -> saved_model_pb2.SavedModel:
    return saved_model_pb2.SavedModel.FromString((folder / 'saved_model.pb').read_bytes())


def _guards(folder: Path) -> list[str]:
    functions = _read(folder).meta_graphs[0].graph_def.library.function
    return [node.name for each in functions for node in each.node_def if node.op in ('If', 'StatelessIf')]


def test_values_are_the_same(folders: tuple[Path, Path]) -> None:
    before, after = (
        tf.saved_model.load(str(folder)).signatures['pairs'](
            text=tf.constant(TEXTS), most=tf.constant(9, tf.int64)
        )
        for folder in folders
    )
    for name, values in before.items():
        assert (values.numpy() == after[name].numpy()).all(), name


def test_a_session_runs_it_as_well(folders: tuple[Path, Path]) -> None:
    found = []
    for folder in folders:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            graph = tf.compat.v1.saved_model.loader.load(session, ['serve'], str(folder))
            signature = graph.signature_def['pairs']
            feeds = {signature.inputs['text'].name: TEXTS, signature.inputs['most'].name: 9}
            found.append(session.run(signature.outputs['pairs'].name, feeds))
    assert (found[0] == found[1]).all()


def test_only_the_assertion_of_the_model_is_left(folders: tuple[Path, Path]) -> None:
    before, after = folders
    left = _guards(after)
    assert len(_guards(before)) >= len(left) + 3
    assert len(left) == 1
    assert 'Ragged' not in left[0]
    signature = tf.saved_model.load(str(after)).signatures['pairs']
    with pytest.raises(tf.errors.InvalidArgumentError, match='too many texts'):
        signature(text=tf.constant(TEXTS), most=tf.constant(3, tf.int64))


def test_the_functions_of_checks_are_removed_and_the_others_stay(folders: tuple[Path, Path]) -> None:
    library = [
        {
            function.signature.name: len(function.node_def)
            for function in meta_graph.graph_def.library.function
        }
        for meta_graph in (_read(folder).meta_graphs[0] for folder in folders)
    ]
    assert len(library[1]) <= len(library[0]) - 6
    assert sum(library[1].values()) < sum(library[0].values())
    assert set(_read(folders[1]).meta_graphs[0].object_graph_def.concrete_functions) <= set(library[1])


def test_dropping_twice_changes_nothing(folders: tuple[Path, Path]) -> None:
    saved_model = _read(folders[1])
    before = saved_model.SerializeToString(deterministic=True)
    assert drop_ragged_checks(saved_model) == 0
    assert saved_model.SerializeToString(deterministic=True) == before
