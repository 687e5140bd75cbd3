"""Explanations of an untrained network with random weights, of every kind of labels."""

import numpy as np
import pytest
import tensorflow as tf

from vaiven.label_spec import LabelSpec
from vaiven.models.export.classifier import Classifier
from vaiven.models.export.explain import MAX_WORDS, Explainer
from vaiven.models.export.text_model import TextModel, padded
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.wide import NO_NGRAM
from vaiven.models.text.config import TextConfig
from vaiven.models.text.ngrams import ngram_ids

pytestmark = pytest.mark.slow

TEXTS = (
    'a fine film , a fine story',
    'nin\u0303o y niño ¿qué tal?',
    '👍🏽 שלום عالم',
    '',
    'film',
)
WORDS = ('a', 'fine', 'film', ',', 'niño', 'y', 'qué', 'שלום')
SPECS = (
    LabelSpec(),
    LabelSpec('multiclass', ('año', '😀', 'شكوى')),
    LabelSpec('multiclass', tuple(f'c{number}' for number in range(30))),
    LabelSpec('ordinal', ('1', '2', '3', '4')),
    LabelSpec('multilabel', ('a', 'b', 'c')),
)
CONFIG = TextConfig(html=False)


def text_model(spec: LabelSpec, folder, unit: str = 'word', wide_ngrams: int = 200) -> TextModel:
    vocabulary = folder / 'vocab.txt'
    tokens = WORDS if unit == 'word' else sorted({character for word in WORDS for character in word})
    vocabulary.write_text('\n'.join(('[PAD]', '[UNK]', '[BOS]', '[EOS]', *tokens)) + '\n', encoding='utf-8')
    config = NetworkConfig(units=6, embedding_size=5, wide_ngrams=wide_ngrams)
    network = Network(config, 4 + len(tokens), labels=spec, use_cudnn=False, seed=3)
    network(np.full((1, 2), 2))
    random = np.random.default_rng(5)
    for weight in network.weights:
        if 'float' in weight.dtype and 'wide' not in weight.path:
            weight.assign(random.normal(size=weight.shape) * 0.5)
    combination = random.normal(size=network.combination.shape)
    if spec.kind == 'ordinal':
        combination[:2] = combination[:2, :1]
        combination[2] = np.sort(combination[2])[::-1]
    network.combination.assign(combination)
    if network.wide is not None:
        # Every second n-gram of the texts is known.
        known = np.unique(ngram_ids(tf.constant(TEXTS), CONFIG).flat_values.numpy())[::2]
        network.wide.ngrams.assign(np.pad(known, (0, wide_ngrams - len(known)), constant_values=NO_NGRAM))
        network.wide.table.assign(random.normal(size=network.wide.table.shape))
        network.wide.bias.assign(random.normal(size=network.wide.bias.shape))
        network.wide.usual_length.assign(20.0)  # the longer texts are damped
        if network.wide.is_sparse:
            classes = random.permuted(np.tile(np.arange(spec.size), (wide_ngrams, 1)), axis=1)
            network.wide.classes.assign(classes[:, : network.wide.classes.shape[1]])
    return TextModel(network, TextConfig(unit=unit, html=False), str(vocabulary))


def in_graph(model: TextModel):
    return tf.function(Explainer(model).explain, input_signature=[tf.TensorSpec([None], tf.string)])


def explained(
    model: TextModel, texts=TEXTS
) -> tuple[dict[str, np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """The outputs, and for each text the values of its words and of its n-grams."""
    outputs = {name: value.numpy() for name, value in in_graph(model)(tf.constant(texts)).items()}
    words = np.split(outputs['word_values'], np.cumsum(outputs['word_row_lengths'])[:-1])
    ngrams = np.split(outputs['ngram_values'], np.cumsum(outputs['ngram_row_lengths'])[:-1])
    return outputs, words, ngrams


def towards(model: TextModel, logits: np.ndarray, path: int, label: int) -> np.ndarray:
    """The part of a label in logits (n) or (n, classes), written down again."""
    factor, kind = model.network.combination.numpy()[path], model.network.labels.kind
    if kind == 'binary':
        return (1 if label == 1 else -1) * factor * logits
    if kind == 'ordinal':
        return factor[0] * logits
    weighted = factor * logits
    return weighted[:, label] - (weighted.mean(axis=1) if kind == 'multiclass' else 0)


class Explained:
    """The texts, explained by a model of some kind of labels.

    Attributes:
        model: the model.
        labels: index of the label of each text.
        outputs: of the signature.
        words, ngrams: for each text the values of its words and of its n-grams.
    """

    def __init__(self, spec: LabelSpec, folder) -> None:
        self.model = text_model(spec, folder)
        self.outputs, self.words, self.ngrams = explained(self.model)
        self.labels = [spec.classes.index(label.decode()) for label in self.outputs['label']]


@pytest.fixture(scope='module', params=SPECS, ids=lambda spec: f'{spec.kind}-{spec.size}')
def made(request, tmp_path_factory):
    return Explained(request.param, tmp_path_factory.mktemp('model'))


def test_the_values_of_the_ngrams_add_up_to_the_wide_path(made):
    wide = made.model.network.wide
    logits = wide(ngram_ids(tf.constant(TEXTS), CONFIG).to_tensor()).numpy() - wide.bias.numpy()
    for row, (values, label) in enumerate(zip(made.ngrams, made.labels, strict=True)):
        assert values.sum() == pytest.approx(towards(made.model, logits, 1, label)[row], abs=1e-4)


def test_a_word_has_its_occlusion_and_the_ngrams_that_contain_it(made):
    starts = np.cumsum([0, *made.outputs['word_row_lengths']])
    for row in (0, 4):
        words = [word.decode() for word in made.outputs['words'][starts[row] : starts[row + 1]]]
        left_out = [' '.join(words[:place] + words[place + 1 :]) for place in range(len(words))]
        ids = padded(made.model.ids(tf.constant([' '.join(words), *left_out])))
        parts = towards(made.model, made.model.network.recurrent_logits(ids).numpy(), 0, made.labels[row])
        from_ngrams = made.words[row] - (parts[0] - parts[1:])
        assert from_ngrams.sum() == pytest.approx(made.ngrams[row].sum(), abs=1e-4)


def test_label_and_score_are_those_of_the_classifier(made):
    answer = Classifier(made.model).label(tf.constant(TEXTS))
    assert made.outputs['label'].tolist() == answer['label'].numpy().tolist()
    np.testing.assert_allclose(made.outputs['score'], answer['score'].numpy(), atol=1e-6)


def test_a_word_that_occurs_twice_shares_its_ngrams(tmp_path):
    model = text_model(LabelSpec(), tmp_path)
    model.network.combination.assign([0.0, 1.0, 0.0])  # the wide path alone
    outputs, [values], [ngrams] = explained(model, ['fine fine fine'])
    # The word and its subwords are equal in all places; the pair lies in two places, so the middle has the most of it.
    assert outputs['words'].tolist() == [b'fine'] * 3
    assert values[0] == pytest.approx(values[2])
    assert values.sum() == pytest.approx(ngrams.sum(), abs=1e-5)


def test_the_words_are_normalised_and_the_empty_text_has_none(tmp_path):
    outputs, _, _ = explained(text_model(LabelSpec(), tmp_path))
    words = [word.decode() for word in outputs['words']]
    lengths = outputs['word_row_lengths'].tolist()
    assert words[lengths[0] : lengths[0] + 4] == ['niño', 'y', 'niño', '¿']
    assert lengths[3:] == [0, 1]


@pytest.mark.parametrize('unit', ['word', 'character'])
def test_texts_of_any_length_up_to_the_limit_are_explained(unit, tmp_path):
    model = text_model(LabelSpec(), tmp_path, unit)
    outputs, [values, _], _ = explained(model, ['film ' * 70, 'fine'])
    assert outputs['word_row_lengths'].tolist() == [70, 1]
    assert np.isfinite(values).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match=f'at most {MAX_WORDS} words'):
        explained(model, ['film ' * (MAX_WORDS + 1)])


def test_a_network_without_a_wide_path_has_no_ngrams(tmp_path):
    outputs, words, _ = explained(text_model(LabelSpec(), tmp_path, wide_ngrams=0))
    assert outputs['ngram_row_lengths'].tolist() == [0] * len(TEXTS)
    assert np.abs(words[0]).sum() > 0


def test_no_texts_have_no_explanations(tmp_path):
    outputs = in_graph(text_model(LabelSpec(), tmp_path))(tf.constant([], tf.string))
    assert all(value.shape[0] == 0 for value in outputs.values())
