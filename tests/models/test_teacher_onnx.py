"""A teacher that was exported to ONNX."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.models.tiny_checkpoint import VOCABULARY
from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.errors import CheckpointFolderError
from vaiven.models.teacher.onnx_model import OnnxModel, is_onnx
from vaiven.models.teacher.vocabulary import is_lower_case, read_vocabulary

# One vector per token: the number of «good», and that of «bad».
TABLE = np.zeros((len(VOCABULARY), 2), np.float32)
TABLE[VOCABULARY.index('good'), 1] = TABLE[VOCABULARY.index('bad'), 0] = 1


def export(folder: Path, classifier: bool) -> Path:
    """Writes a model that looks up the vectors of tokens; a classifier sums them to logits."""
    folder.mkdir(exist_ok=True)
    ids, mask = (
        helper.make_tensor_value_info(name, TensorProto.INT64, ['batch', 'time'])
        for name in ('input_ids', 'attention_mask')
    )
    nodes = [helper.make_node('Gather', ['table', 'input_ids'], ['states'])]
    shape, name = ['batch', 'time', 2], 'states'
    if classifier:
        nodes.append(helper.make_node('ReduceSum', ['states', 'axis'], ['logits'], keepdims=0))
        shape, name = ['batch', 2], 'logits'
    graph = helper.make_graph(
        nodes,
        'tiny',
        [ids, mask],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(TABLE, 'table'), numpy_helper.from_array(np.array([1]), 'axis')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.save(model, folder / 'model.onnx')
    vocabulary = {token: number for number, token in enumerate(VOCABULARY)}
    tokenizer = {'model': {'type': 'WordPiece', 'vocab': vocabulary}, 'normalizer': {'lowercase': True}}
    (folder / 'tokenizer.json').write_text(json.dumps(tokenizer))
    (folder / 'config.json').write_text(json.dumps({'id2label': {'0': 'Negative', '1': 'Positive'}}))
    return folder


def test_an_encoder_gives_the_mean_of_the_states_of_a_text_whatever_is_in_its_batch(tmp_path: Path) -> None:
    assert is_onnx(export(tmp_path, classifier=False))
    model = OnnxModel(tmp_path, 32)
    assert not model.is_classifier
    texts = ['good', 'BAD good film', '', *(['the film was good'] * 70)]
    # [CLS] and [SEP] count, too.
    np.testing.assert_allclose(model.embed(texts)[:3], [[0, 1 / 3], [1 / 5, 1 / 5], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(model.embed(texts)[3:], np.tile([0, 1 / 6], (70, 1)), atol=1e-6)


def test_a_classifier_scores_as_it_is_in_the_order_of_the_classes_of_the_run(tmp_path: Path) -> None:
    model = OnnxModel(export(tmp_path, classifier=True), 32)
    assert model.is_classifier
    expected = np.exp([0, 2]) / np.exp([0, 2]).sum()
    np.testing.assert_allclose(model.probabilities(['good good'], LabelSpec())[0], expected, atol=1e-6)
    other_order = LabelSpec('multiclass', ('positive', 'negative'))
    np.testing.assert_allclose(model.probabilities(['good good'], other_order)[0], expected[::-1], atol=1e-6)
    several = LabelSpec('multilabel', ('negative', 'positive'))
    np.testing.assert_allclose(
        model.probabilities(['bad'], several)[0], [1 / (1 + np.exp(-1)), 0.5], atol=1e-6
    )
    assert model.probabilities([], LabelSpec()).shape == (0, 2)


def test_a_classifier_of_other_classes_is_refused_in_one_line(tmp_path: Path) -> None:
    model = OnnxModel(export(tmp_path, classifier=True), 32)
    with pytest.raises(
        CheckpointFolderError, match=r'must name the classes ham, spam\. Received: Negative, '
    ) as caught:
        model.probabilities(['good'], LabelSpec('binary', ('ham', 'spam')))
    assert '\n' not in str(caught.value)


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (export(tmp_path, classifier=False) / 'model.onnx').write_bytes(b'no model')
    with pytest.raises(CheckpointFolderError, match='cannot be read') as caught:
        OnnxModel(tmp_path, 32)
    assert '\n' not in str(caught.value)


def test_a_tokenizer_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'tokenizer.json').write_text(json.dumps({'model': {'type': 'BPE', 'vocab': {'a': 0}}}))
    with pytest.raises(CheckpointFolderError, match=r'must be of type WordPiece\. Received: BPE'):
        read_vocabulary(tmp_path)
    assert not is_lower_case(tmp_path)
