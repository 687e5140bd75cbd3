"""The classifier of this project in ONNX Runtime, with its text handling in Python: a peer of the model server.

The recurrent path is an ONNX graph with the same weights. Words and n-grams are found as a Python program would find
them: by regular expressions and dictionaries. It knows the n-grams of the texts that it is given, because the table of
the wide path has hashes of n-grams only. It replaces HTML references, normalises to NFC and lower case, and no more.
"""

import html
import itertools
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import regex

from vaiven.errors import UserError
from vaiven.models.export.explain import MARK
from vaiven.models.text.negation import END, NEGATION, PAIRS
from vaiven.models.text.subwords import SUBWORD_LENGTHS
from vaiven.models.text.tokenization import BOS_ID, EOS_ID, UNK_ID, WORD

_WORD = regex.compile(WORD)
_NEGATION, _PAIRS, _END = (regex.compile(pattern) for pattern in (NEGATION, PAIRS, END))


class OnnxClassifier:
    """Answers as `serving_default` of a binary classifier with the cell `lstm`, one layer and two directions."""

    def __init__(self, folder: Path, texts: Sequence[str]) -> None:
        """Reads the weights of the SavedModel in `folder`. `texts` are those whose n-grams will be known.

        Raises:
            ImportError: the package onnx or onnxruntime is missing.
            UserError: the network is another one.
        """
        import onnxruntime
        import tensorflow as tf

        from vaiven.models.export.explain import ngram_parts
        from vaiven.models.export.restored_model import RestoredModel
        from vaiven.models.text.tokenization import normalize, words

        model = RestoredModel(folder)
        config, labels = model.network.config, model.network.labels
        is_plain = config.cell == 'lstm' and config.layers == 1 and config.bidirectional
        if not is_plain or model.network.wide is None or labels.kind != 'binary':
            raise UserError(f'{folder}: ONNX Runtime has the binary classifier of the default network only')
        network, self._scope = model.network, model.text_config.scope
        self._ids = {token.decode(): number for number, token in enumerate(model.tokens)}
        self._max_tokens = model.text_config.max_tokens
        # Of words and pairs, and of subwords: the ids are odd and even.
        self._weights: tuple[dict[str, float], dict[str, float]] = ({}, {})
        known = dict(
            zip(network.wide.ngrams.numpy().tolist(), network.wide.table.numpy().tolist(), strict=True)
        )
        parts_of = tf.function(ngram_parts, reduce_retracing=True)
        for text_words in words(normalize(tf.constant(list(texts)), model.text_config)):
            parts = parts_of(text_words, self._scope)
            for name, number in zip(parts.strings.numpy().tolist(), parts.ids.numpy().tolist(), strict=True):
                if number in known:
                    self._weights[1 - number % 2][name.decode()] = known[number]
        self._bias, self._usual = float(network.wide.bias.numpy()), float(network.wide.usual_length.numpy())
        self._combination = network.combination.numpy().tolist()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # callers run side by side; a text is too short for more
        self._session = onnxruntime.InferenceSession(recurrent_graph(network), options)

    def probabilities(self, texts: Sequence[str]) -> list[float]:
        """The probability of the second class of each text."""
        split = [_WORD.findall(unicodedata.normalize('NFC', html.unescape(text)).lower()) for text in texts]
        rows = [[self._ids.get(word, UNK_ID) for word in words[: self._max_tokens]] for words in split]
        lengths = np.array([len(row) + 2 for row in rows], np.int32)
        ids = np.zeros((len(rows), lengths.max()), np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row) + 2] = [BOS_ID, *row, EOS_ID]
        (recurrent,) = self._session.run(None, {'ids': ids, 'lengths': lengths})
        a, b, c = self._combination
        logits = [a * float(r) + b * self._wide(words) + c for r, words in zip(recurrent, split, strict=True)]
        return [1 / (1 + math.exp(-logit)) for logit in logits]

    def _wide(self, words: Sequence[str]) -> float:
        marks = negation_marks(words, self._scope)
        of_words = {mark + word for mark, word in zip(marks, words, strict=True)}
        of_words.update(f'{first} {second}' for first, second in itertools.pairwise(words))
        subwords = {
            mark + part for mark, word in zip(marks, words, strict=True) for part in subwords_of(word)
        }
        weights_of_words, weights_of_subwords = self._weights
        total = sum(weights_of_words.get(one, 0.0) for one in of_words)
        total += sum(weights_of_subwords.get(one, 0.0) for one in subwords)
        count = max(len(of_words) + len(subwords), 1)
        return total * math.sqrt(min(1.0, self._usual / count)) + self._bias


def negation_marks(words: Sequence[str], scope: int) -> list[str]:
    """`¬` for each word that a negation turns, as `vaiven.models.text.negation` finds them, otherwise nothing."""
    marks, left = [], 0
    for number, word in enumerate(words):
        is_pair = number > 0 and _PAIRS.fullmatch(f'{words[number - 1]} {word}') is not None
        is_negation = is_pair or _NEGATION.fullmatch(word) is not None
        if not is_pair and _END.fullmatch(word):
            left = 0
        marks.append(MARK if left and not is_negation else '')
        left = scope if is_negation else max(left - 1, 0)
    return marks


def subwords_of(word: str) -> list[str]:
    """The subwords of a word, as `vaiven.models.text.ngrams` finds them."""
    marked = f'<{word}>'
    return [
        marked[start : start + length]
        for length in SUBWORD_LENGTHS
        for start in range(len(marked) - length + 1)
    ]


def recurrent_graph(network: Any) -> bytes:
    """The recurrent path of a network in ONNX: ids int64 (n, time) and lengths int32 (n) → logits float (n).

    Raises:
        ImportError: the package onnx is missing.
    """
    from onnx import TensorProto, helper, numpy_helper

    table = network.embedding.embeddings.numpy()  # (tokens, features); subwords and vectors are folded in
    table[UNK_ID] = 0
    cells = [network.stacks[direction][0].cell for direction in ('forward', 'backward')]
    units = cells[0].units

    def gates(values: np.ndarray) -> np.ndarray:
        """From Keras' order i, f, c, o to that of ONNX: i, o, f, c. (…, 4 · units) → (4 · units, …)."""
        i, f, c, o = np.split(values, 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1).T

    kernel, bias = network.sentiment.kernel.numpy(), network.sentiment.bias.numpy()
    weights = {
        'table': table,
        'W': np.stack([gates(cell.kernel.numpy()) for cell in cells]),
        'R': np.stack([gates(cell.recurrent_kernel.numpy()) for cell in cells]),
        'B': np.stack([np.pad(gates(cell.bias.numpy()), (0, 4 * units)) for cell in cells]),
        'kernel': kernel,
        'bias': bias,
        'lowest': np.array(-2, np.float32),  # below every output of an LSTM
        'axis_0': np.array([0]),
        'axis_1': np.array([1]),
        'axis_3': np.array([3]),
        'flat': np.array([0, -1]),
    }
    one = helper.make_node
    nodes = [
        one('Gather', ['table', 'ids'], ['vectors']),  # (n, time, features)
        one('Transpose', ['vectors'], ['x'], perm=[1, 0, 2]),
        one('LSTM', [*'xWRB', 'lengths'], ['outputs', 'last'], direction='bidirectional', hidden_size=units),
        # (time, directions, n, units); zeros after the end of a text
        one('ReduceSum', ['outputs', 'axis_0'], ['sums'], keepdims=0),  # (directions, n, units)
        one('Cast', ['lengths'], ['counts'], to=TensorProto.FLOAT),
        one('Unsqueeze', ['counts', 'axis_1'], ['column']),
        one('Div', ['sums', 'column'], ['means']),
        one('Shape', ['ids'], ['shape']),
        one('Gather', ['shape', 'axis_1'], ['time']),
        one('Squeeze', ['time'], ['steps']),
        one('Constant', [], ['zero'], value_int=0),
        one('Constant', [], ['unit'], value_int=1),
        one('Range', ['zero', 'steps', 'unit'], ['places']),  # (time)
        one('Unsqueeze', ['places', 'axis_1'], ['rows']),
        one('Cast', ['lengths'], ['ends'], to=TensorProto.INT64),
        one('Less', ['rows', 'ends'], ['inside']),  # (time, n)
        one('Unsqueeze', ['inside', 'axis_1'], ['inside_1']),
        one('Unsqueeze', ['inside_1', 'axis_3'], ['inside_2']),
        one('Where', ['inside_2', 'outputs', 'lowest'], ['masked']),
        one('ReduceMax', ['masked', 'axis_0'], ['highest'], keepdims=0),
        one('Concat', ['last', 'highest', 'means'], ['parts'], axis=2),  # (directions, n, 3 · units)
        one('Transpose', ['parts'], ['by_text'], perm=[1, 0, 2]),
        one('Reshape', ['by_text', 'flat'], ['pooled']),
        one('Gemm', ['pooled', 'kernel', 'bias'], ['column_of_logits']),
        one('Squeeze', ['column_of_logits', 'axis_1'], ['logits']),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        'recurrent path',
        [
            helper.make_tensor_value_info('ids', TensorProto.INT64, ['n', 'time']),
            helper.make_tensor_value_info('lengths', TensorProto.INT32, ['n']),
        ],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['n'])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data
